"""The networks of PFA-GAN (Huang et al. 2020, arXiv 2012.03459).

Shapes: N batch, C image channels, S image size, W base channels, K age groups.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import Discriminator
from ganzoo_core.layers import concat_label_maps, doubled_channels, init_normal, num_halvings

_NEGATIVE_SLOPE = 0.2


class SubGenerator(nn.Module):
    """Predicts the change from one age group to the next. 1,524,227 parameters at W = 32.

    Args:
        base_channels: W.
        num_channels: C.
        last_conv_init_std: standard deviation of the initial weights of the last conv; 0: the
            initial change is zero.
    """

    def __init__(self, base_channels, num_channels, last_conv_init_std):
        super().__init__()
        w = base_channels
        self.layers = nn.Sequential(
            *_conv_norm_act(nn.Conv2d(num_channels, w, 9, 1, 4)),  # [N, W, S, S]
            *_conv_norm_act(nn.Conv2d(w, 2 * w, 4, 2, 1)),  # [N, 2W, S/2, S/2]
            *_conv_norm_act(nn.Conv2d(2 * w, 4 * w, 4, 2, 1)),  # [N, 4W, S/4, S/4]
            *(_ResidualBlock(4 * w) for _ in range(4)),
            *_conv_norm_act(nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1)),  # [N, 2W, S/2, S/2]
            *_conv_norm_act(nn.ConvTranspose2d(2 * w, w, 4, 2, 1)),  # [N, W, S, S]
            init_normal(nn.Conv2d(w, num_channels, 9, 1, 4), last_conv_init_std),  # [N, C, S, S]
        )

    def forward(self, image):
        """Return the change [N, C, S, S], unbounded, of images [N, C, S, S]."""
        return self.layers(image)


class _ResidualBlock(nn.Module):
    """x -> LeakyReLU(x + f(x)), f = conv, norm, LeakyReLU, conv, norm."""

    def __init__(self, num_channels):
        super().__init__()
        conv1, conv2 = (nn.Conv2d(num_channels, num_channels, 3, 1, 1) for _ in range(2))
        self.layers = nn.Sequential(*_conv_norm_act(conv1), *_conv_norm_act(conv2)[:2])

    def forward(self, x):
        """Return maps of the shape of x."""
        return nn.functional.leaky_relu(x + self.layers(x), _NEGATIVE_SLOPE)


class ChannelsLastInstanceNorm2d(nn.Module):
    """Instance norm without parameters, as layer norm over the positions of each map.

    torch's instance norm returns the other memory format, which makes a sub-network a quarter
    slower, and its gradient is wrong for a batch of one channels_last image (torch 2.14).
    """

    def forward(self, x):
        """Return maps of the shape of x [N, W, h, w], in channels_last."""
        flat = x.flatten(2).contiguous()  # [N, W, h w]
        normalized = nn.functional.layer_norm(flat, flat.shape[2:]).view(x.shape)
        return normalized.contiguous(memory_format=torch.channels_last)


def _conv_norm_act(conv):
    return init_normal(conv), ChannelsLastInstanceNorm2d(), nn.LeakyReLU(_NEGATIVE_SLOPE)


class ProgressiveGenerator(nn.Module):
    """One sub-network for each pair of adjacent groups: X[i+1] = X[i] + gate[i] * G[i](X[i]).

    gate[i] is 1 for source <= i < target, else 0. G[i] computes only the rows with gate 1, so
    closed gates cost nothing. Where target <= source, the output equals the input exactly.
    """

    def __init__(self, num_groups, *sub_generator_args):
        super().__init__()
        sub_generators = (SubGenerator(*sub_generator_args) for _ in range(num_groups - 1))
        self.sub_generators = nn.ModuleList(sub_generators)

    def forward(self, image, source, target):
        """Return images [N, C, S, S], unbounded, from age groups source [N] to target [N]."""
        pairs = torch.stack([source, target], 1).tolist()  # on the CPU: they define batch shapes
        for i, sub_generator in enumerate(self.sub_generators):
            rows = [n for n, (s, t) in enumerate(pairs) if s <= i < t]
            if len(rows) == len(pairs):
                image = image + sub_generator(image)
            elif rows:
                index = torch.tensor(rows, device=image.device)
                image = image.index_add(0, index, sub_generator(image[index]).to(image.dtype))
        return image

    def forward_all_groups(self, image, source):
        """Return the faces at every age group [K, N, C, S, S] in one pass.

        Groups up to the source are the input itself. Each later group is computed from the
        previous one.
        """
        images = [image]
        for i in range(len(self.sub_generators)):
            index = torch.full_like(source, i)
            images.append(self(images[-1], torch.maximum(source, index), index + 1))
        return torch.stack(images)


class AgeTranslator(nn.Module):
    """A `ProgressiveGenerator` for each direction. Rejuvenation is the same network with the groups
    in reverse order.

    Args:
        num_groups: K.
        direction: "aging", "rejuvenation" or "both".
        sub_generator_args: the arguments of `SubGenerator`.
    """

    def __init__(self, num_groups, direction, *sub_generator_args):
        super().__init__()
        self.last_group = num_groups - 1
        for name in ("aging", "rejuvenation"):
            is_trained = direction in (name, "both")
            chain = ProgressiveGenerator(num_groups, *sub_generator_args) if is_trained else None
            setattr(self, name, chain)

    def forward(self, image, source, target):
        """Return images [N, C, S, S], unbounded, from age groups source [N] to target [N].

        A transition in a direction that is not trained returns the image itself.
        """
        if self.aging:
            image = self.aging(image, source, target)
        if self.rejuvenation:
            image = self.rejuvenation(image, self.last_group - source, self.last_group - target)
        return image

    def forward_all_groups(self, image, source):
        """Return the faces at every age group, [K, N, C, S, S], unbounded."""
        num_groups = self.last_group + 1
        out = image.expand(num_groups, *image.shape)
        if self.aging:
            out = self.aging.forward_all_groups(image, source)
        if self.rejuvenation:
            younger = self.rejuvenation.forward_all_groups(image, self.last_group - source).flip(0)
            is_younger = torch.arange(num_groups, device=source.device)[:, None] < source  # [K, N]
            out = torch.where(is_younger[:, :, None, None, None], younger, out)
        return out

    def supports(self, source, target):
        """Return whether a transition between two age groups is supported; ints or tensors."""
        is_older, is_younger = target >= source, target <= source
        return (is_older & bool(self.aging)) | (is_younger & bool(self.rejuvenation))


class PatchDiscriminator(Discriminator):
    """14 x 14 patch logits of an image; label maps are concatenated after the first conv.

    log2(S) - 4 convs of stride 2, one of stride 1, and the logits: 6,967,745, 2,772,929 and 671,169
    parameters at 256, 128 and 64 px with four groups.

    With norm="batch", BatchNorm replaces spectral norm, and the label maps are concatenated after
    the last BatchNorm (as in Reed et al. 2016, arXiv 1605.05396). Otherwise the batch statistics
    reveal whether the labels of a batch are wrong.
    """

    def __init__(self, image_size, num_channels, num_groups, norm="spectral"):
        super().__init__()
        self.num_groups, self.inject_late = num_groups, norm == "batch"
        num_downsamples = num_halvings(image_size, 16)
        channels = doubled_channels(64, num_downsamples + 1, max_factor=8)  # 64 128 256 at 64 px
        last = channels[-1]
        self.stem = nn.Conv2d(num_channels, 64, 4, 2, 1)
        channels[0] = 64 if self.inject_late else 64 + num_groups
        layers = []
        for i, (a, b) in enumerate(pairwise(channels)):
            stride = 1 if i == num_downsamples - 1 else 2
            conv = nn.Conv2d(a, b, 4, stride, 1)
            layers += [conv, nn.BatchNorm2d(b)] if self.inject_late else [spectral_norm(conv)]
            layers += [nn.LeakyReLU(_NEGATIVE_SLOPE)]
        logit_conv = nn.Conv2d(last, 1, 4, 1, 1)
        if self.inject_late:
            self.body = nn.Sequential(*layers)
            fuse_conv = nn.Conv2d(last + num_groups, last, 1)
            self.fuse = nn.Sequential(fuse_conv, nn.LeakyReLU(_NEGATIVE_SLOPE), logit_conv)
        else:
            self.body = nn.Sequential(*layers, logit_conv)

    def forward(self, image, label=None):
        """Return logits [N, 1, 14, 14] from images [N, C, S, S] and age groups [N]."""
        h = nn.functional.leaky_relu(self.stem(image), _NEGATIVE_SLOPE)  # [N, 64, S/2, S/2]
        if self.inject_late:
            h = self.body(h)  # [N, 256, 15, 15] at 64 px
        h = concat_label_maps(h, label, self.num_groups)
        return self.fuse(h) if self.inject_late else self.body(h)
