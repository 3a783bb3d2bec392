"""The two networks of ProGAN, which work at every resolution from 4 px to S px.

Shapes: N batch, Z latent, W channels, S image size, r resolution of the stage, C image channels.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu, linear

from ganzoo_core import Discriminator, Generator

_NEGATIVE_SLOPE = 0.2
_EPS = 1e-8
_GAIN = math.sqrt(2)


def at_least_fp32(x):
    """Return a tensor in fp32 if it has half precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def pixel_norm(x):
    """Return vectors or maps [N, W, ...] with a mean square of 1 over the channels."""
    return x * (at_least_fp32(x).square().mean(1, keepdim=True) + _EPS).rsqrt().to(x.dtype)


def activate(x):
    """Return the leaky ReLU."""
    return leaky_relu(x, _NEGATIVE_SLOPE)


def double_size(x):
    """Return maps [N, W, 2h, 2w], by nearest neighbor."""
    return interpolate(x, scale_factor=2)


class EqualizedLayer(nn.Module):
    """A layer whose weights are N(0, 1), and are multiplied by gain / sqrt(fan_in) when it is
    called: Adam then changes all layers equally fast (equalized learning rate)."""

    def __init__(self, shape, gain):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(shape[0]))
        self.scale = gain / math.sqrt(math.prod(shape[1:]))
        self.reset_parameters()

    def reset_parameters(self):
        """Initialize the weights again."""
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)


class EqualizedConv2d(EqualizedLayer):
    """A conv that keeps the resolution."""

    def __init__(self, in_channels, out_channels, kernel_size=3, gain=_GAIN):
        super().__init__((out_channels, in_channels, kernel_size, kernel_size), gain)

    def forward(self, x):
        """Return maps [N, out_channels, h, w]."""
        return conv2d(x, self.weight * self.scale, self.bias, padding=self.weight.shape[-1] // 2)


class EqualizedLinear(EqualizedLayer):
    """A linear layer."""

    def __init__(self, in_features, out_features, gain=_GAIN):
        super().__init__((out_features, in_features), gain)

    def forward(self, x):
        """Return vectors [N, out_features]."""
        return linear(x, self.weight * self.scale, self.bias)


class FirstBlock(nn.Module):
    """z -> linear layer to 4 px -> conv, each with leaky ReLU and pixel norm."""

    def __init__(self, latent_dim, num_channels):
        super().__init__()
        self.linear = EqualizedLinear(latent_dim, num_channels * 16, gain=_GAIN / 4)
        self.conv = EqualizedConv2d(num_channels, num_channels)

    def forward(self, z):
        """Return maps [N, W, 4, 4] from latents [N, Z]."""
        h = pixel_norm(activate(self.linear(pixel_norm(z)).unflatten(1, (-1, 4, 4))))
        return pixel_norm(activate(self.conv(h)))


class UpBlock(nn.Module):
    """Upsampling and two convs, each with leaky ReLU and pixel norm."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv1 = EqualizedConv2d(in_channels, out_channels)
        self.conv2 = EqualizedConv2d(out_channels, out_channels)

    def forward(self, x):
        """Return maps [N, out_channels, 2h, 2w] from maps [N, in_channels, h, w]."""
        h = pixel_norm(activate(self.conv1(double_size(x))))
        return pixel_norm(activate(self.conv2(h)))


class DownBlock(nn.Module):
    """Two convs with leaky ReLU; the second is followed by average pooling, then the leaky
    ReLU."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv1 = EqualizedConv2d(in_channels, in_channels)
        self.conv2 = EqualizedConv2d(in_channels, out_channels)

    def forward(self, x):
        """Return maps [N, out_channels, h/2, w/2] from maps [N, in_channels, h, w]."""
        return activate(avg_pool2d(self.conv2(activate(self.conv1(x))), 2))


def append_stddev(x, group_size):
    """Return maps [N, W + 1, h, w]: the last map is the mean standard deviation of the features
    over groups of images, which shows D how varied a batch is.

    A group has the largest number of images, at most `group_size`, that divides N; image i is in
    the group of i mod (N / group).
    """
    n = len(x)
    size = max(g for g in range(1, min(group_size, n) + 1) if n % g == 0)
    groups = at_least_fp32(x).unflatten(0, (size, n // size))  # [G, N/G, W, h, w]
    centered = groups - groups.mean(0)
    stddev = (centered.square().mean(0) + _EPS).sqrt().mean((1, 2, 3))  # [N/G]
    stddev = stddev.repeat(size).view(n, 1, 1, 1).expand(-1, 1, *x.shape[2:])
    return torch.cat([x, stddev.to(x.dtype)], 1)


class LastBlock(nn.Module):
    """Minibatch standard deviation, conv, and two linear layers: maps of 4 px to a logit."""

    def __init__(self, num_channels, group_size):
        super().__init__()
        self.group_size = group_size
        self.conv = EqualizedConv2d(num_channels + 1, num_channels)
        self.linear = EqualizedLinear(num_channels * 16, num_channels)
        self.head = EqualizedLinear(num_channels, 1, gain=1)

    def forward(self, x):
        """Return logits [N] from maps [N, W, 4, 4]."""
        h = activate(self.conv(append_stddev(x, self.group_size)))
        return self.head(activate(self.linear(h.flatten(1)))).flatten()


class Growth(nn.Module):
    """How far a network has grown, in integer buffers, so that it resumes and no moving average
    blends it.

    Args:
        fade_images: images in which a resolution is faded in.
    """

    def __init__(self, fade_images):
        super().__init__()
        self.fade_images = fade_images
        self.register_buffer("level", torch.zeros((), dtype=torch.int64))
        self.register_buffer("images", torch.zeros((), dtype=torch.int64))

    def set(self, level, images):
        """Set the level (0 for 4 px) and the images since it was added."""
        self.level.fill_(level)
        self.images.copy_(images)

    def alpha(self):
        """Return the weight of the new resolution, 0-d in [0, 1]."""
        return (self.images.float() / self.fade_images).clamp(max=1)


class ProGenerator(Generator):
    """z -> blocks of 4, 8 .. r px -> 1x1 conv -> image; it fades in the last block."""

    def __init__(self, config, channels, num_channels):
        super().__init__()
        self.latent_dim = config.max_channels
        self.growth = Growth(config.fade_images)
        blocks = [UpBlock(a, b) for a, b in pairwise(channels)]
        self.blocks = nn.ModuleList([FirstBlock(self.latent_dim, channels[0]), *blocks])
        self.to_image = nn.ModuleList(EqualizedConv2d(w, num_channels, 1, gain=1) for w in channels)

    def at_level(self, z, level):
        """Return images [N, C, r, r] from latents [N, Z], of the resolution of a level."""
        h = previous = self.blocks[0](z)
        for block in self.blocks[1 : level + 1]:
            previous, h = h, block(h)
        image = self.to_image[level](h)
        if not level:
            return image
        former = double_size(self.to_image[level - 1](previous))
        return former + self.growth.alpha().to(image.dtype) * (image - former)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] from latents [N, Z], those of the present resolution enlarged;
        in eval mode clamped to [-1, 1], in training linear."""
        level = int(self.growth.level)
        image = self.at_level(z, level)
        image = interpolate(image, scale_factor=2 ** (len(self.blocks) - 1 - level))
        return image if self.training else image.clamp(-1, 1)


class ProDiscriminator(Discriminator):
    """Image of r px -> 1x1 conv -> blocks down to 4 px -> logit; it fades in the first block."""

    def __init__(self, config, channels, num_channels):
        super().__init__()
        self.growth = Growth(config.fade_images)
        blocks = [DownBlock(b, a) for a, b in pairwise(channels)]
        self.blocks = nn.ModuleList([LastBlock(channels[0], config.stddev_group_size), *blocks])
        self.from_image = nn.ModuleList(EqualizedConv2d(num_channels, w, 1) for w in channels)

    def features(self, image, label=None):
        """Return the maps of 4 px, a list of one tensor [N, W, 4, 4]."""
        level = (image.shape[2] // 4).bit_length() - 1
        h = activate(self.from_image[level](image))
        for i in range(level, 0, -1):
            h = self.blocks[i](h)
            if i == level:
                former = activate(self.from_image[i - 1](avg_pool2d(image, 2)))
                h = former + self.growth.alpha().to(h.dtype) * (h - former)
        return [h]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, r, r] of any resolution r from 4 to S px."""
        return self.blocks[0](self.features(image)[0])
