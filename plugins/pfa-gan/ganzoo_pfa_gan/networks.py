"""The networks of PFA-GAN (Huang et al. 2020, arXiv 2012.03459).

Shapes: N batch, C channels, S edge of the image, W width, K groups.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import Discriminator
from ganzoo_core.interfaces import one_hot

SLOPE = 0.2


class SubNetwork(nn.Module):
    """The change from one age group to the next: images [N, C, S, S] to what is added to them.

    1,524,227 parameters at W = 32. InstanceNorm has none. `last` is the deviation from which the
    last conv's weights are drawn; at 0 it starts as no change at all.
    """

    def __init__(self, width, channels, last):
        super().__init__()
        w = width
        self.layers = nn.Sequential(
            *normed(nn.Conv2d(channels, w, 9, 1, 4)),  # [N, W, S, S]
            *normed(nn.Conv2d(w, 2 * w, 4, 2, 1)),  # [N, 2W, S/2, S/2]
            *normed(nn.Conv2d(2 * w, 4 * w, 4, 2, 1)),  # [N, 4W, S/4, S/4]
            *(Residual(4 * w) for _ in range(4)),
            *normed(nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1)),  # [N, 2W, S/2, S/2]
            *normed(nn.ConvTranspose2d(2 * w, w, 4, 2, 1)),  # [N, W, S, S]
            drawn(nn.Conv2d(w, channels, 9, 1, 4), last),  # [N, C, S, S], neither norm nor tanh
        )

    def forward(self, image):
        """Return the change [N, C, S, S], unbounded."""
        return self.layers(image)


class Residual(nn.Module):
    """x -> LeakyReLU(x + f(x)), f = conv, norm, LeakyReLU, conv, norm."""

    def __init__(self, width):
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, 1, 1) for _ in range(2))
        self.layers = nn.Sequential(*normed(first), *normed(second)[:2])

    def forward(self, x):
        """Return [N, width, h, w] of the same."""
        return nn.functional.leaky_relu(x + self.layers(x), SLOPE)


class InstanceNorm(nn.Module):
    """Each map of each image with mean 0 and deviation 1; no parameters.

    As layer norm over places: torch's instance norm returns the other memory format, which costs a
    sub-network a quarter more, and its gradient is wrong for one channels_last image (torch 2.14).
    """

    def forward(self, x):
        """Return [N, W, h, w] of the same, channels_last."""
        places = x.flatten(2).contiguous()  # [N, W, h w]
        normal = nn.functional.layer_norm(places, places.shape[2:]).view(x.shape)
        return normal.contiguous(memory_format=torch.channels_last)


def normed(conv):
    """Return conv, InstanceNorm, LeakyReLU."""
    return drawn(conv), InstanceNorm(), nn.LeakyReLU(SLOPE)


class Progression(nn.Module):
    """One sub-network a pair of neighbouring groups: X[i+1] = X[i] + gate[i] * G[i](X[i]).

    gate[i] is 1 for source <= i < target and else 0. Rows whose gate is 0 never enter G[i], so
    that closed gates cost nothing, and no gate opens where target <= source: there the output is
    the input, bit by bit.
    """

    def __init__(self, groups, *sub):
        super().__init__()
        self.hops = nn.ModuleList(SubNetwork(*sub) for _ in range(groups - 1))

    def forward(self, image, source, target):
        """Return images [N, C, S, S] that went from group source [N] to target [N]."""
        spans = torch.stack([source, target], 1).tolist()  # which rows go where shapes the batch
        for i, hop in enumerate(self.hops):
            rows = [n for n, (s, t) in enumerate(spans) if s <= i < t]
            if len(rows) == len(spans):
                image = image + hop(image)
            elif rows:
                index = torch.tensor(rows, device=image.device)
                image = image.index_add(0, index, hop(image[index]).to(image.dtype))
        return image

    def stages(self, image, source):
        """Return the face at every age [K, N, C, S, S] in one pass: groups up to the source [N]
        show the image itself, every later one is one hop from the one before."""
        out = [image]
        for i in range(len(self.hops)):
            hop = torch.full_like(source, i)
            out.append(self(out[-1], torch.maximum(source, hop), hop + 1))
        return torch.stack(out)


class PatchDiscriminator(Discriminator):
    """Judges 14 x 14 patches of an image of an age group; the group joins after the first conv.

    log2(S) - 4 convs of stride 2, one of stride 1, and the logits: 6,967,745, 2,772,929 and 671,169
    parameters at 256, 128 and 64 px with four groups. With norm="batch" BatchNorm stands in for
    spectral norm, and the group joins after the last of it, since a batch in which every group is
    wrong would be known as a whole (Reed et al. 2016, arXiv 1605.05396, join it there too).
    """

    def __init__(self, size, channels, groups, norm="spectral"):
        super().__init__()
        self.groups, self.late = groups, norm == "batch"
        halvings = int(math.log2(size)) - 4
        widths = [min(64 * 2**i, 512) for i in range(halvings + 1)]  # 64 128 256 at 64 px
        self.first = drawn(nn.Conv2d(channels, 64, 4, 2, 1))
        inputs = [64 if self.late else 64 + groups, *widths[1:]]
        layers, last = [], widths[-1]
        for i, (a, b) in enumerate(pairwise(inputs)):
            conv = drawn(nn.Conv2d(a, b, 4, 1 if i == halvings - 1 else 2, 1))
            layers += [conv, nn.BatchNorm2d(b)] if self.late else [spectral_norm(conv)]
            layers += [nn.LeakyReLU(SLOPE)]
        logits = drawn(nn.Conv2d(last, 1, 4, 1, 1))
        if self.late:
            self.rest = nn.Sequential(*layers)
            meet = nn.Conv2d(last + groups, last, 1)
            self.meet = nn.Sequential(meet, nn.LeakyReLU(SLOPE), logits)
        else:
            self.rest = nn.Sequential(*layers, logits)

    def forward(self, image, label=None):
        """Return logits [N, 1, 14, 14] of images [N, C, S, S] and groups [N]."""
        h = nn.functional.leaky_relu(self.first(image), SLOPE)  # [N, 64, S/2, S/2]
        if self.late:
            return self.meet(self.joined(self.rest(h), label))  # from [N, 256, 15, 15] at 64 px
        return self.rest(self.joined(h, label))

    def joined(self, h, label):
        """Return maps [N, W, h, w] and the groups' [N, K, h, w] as one."""
        group = one_hot(label, self.groups, h)[:, :, None, None]
        return torch.cat([h, group.expand(-1, -1, *h.shape[2:])], 1)


def drawn(conv, std=0.02):
    """Return a conv with weights drawn from N(0, std) and biases of zero."""
    nn.init.normal_(conv.weight, 0.0, std)
    nn.init.zeros_(conv.bias)
    return conv
