"""The networks of StyleGAN2: mapping, synthesis, discriminator.

Shapes: N batch, Z latent, D length of w, L layers that receive a w, C colors, S image size.
"""

import math
from itertools import pairwise

import torch
from torch import nn

from ganzoo_core import Discriminator, Generator
from ganzoo_core.layers import one_hot
from ganzoo_stylegan2.layers import (
    EqualConv2d,
    EqualLinear,
    SynthesisLayer,
    ToRGB,
    downsample,
    minibatch_stddev,
    normalize_second_moment,
    upsample,
)

LR_MULTIPLIER = 0.01
"""Learning rate of the mapping networks, relative to that of the others."""


def channels_at(config, image_size):
    """Return the channels at 4, 8 .. S px: `channel_base` / px, at most `channel_max`."""
    sizes = [4 * 2**i for i in range(round(math.log2(image_size)) - 1)]
    return [min(config.channel_base // size, config.channel_max) for size in sizes]


class Mapping(nn.Module):
    """(z, class) -> w. The discriminator has one without z."""

    def __init__(self, latent_dim, num_classes, style_dim, num_layers):
        super().__init__()
        self.num_classes = num_classes
        self.embed = EqualLinear(num_classes, style_dim) if num_classes else None
        in_features = latent_dim + (style_dim if num_classes else 0)
        sizes = [in_features, *[style_dim] * num_layers]
        self.layers = nn.Sequential(
            *(
                EqualLinear(a, b, activation=True, lr_multiplier=LR_MULTIPLIER)
                for a, b in pairwise(sizes)
            )
        )

    def forward(self, z, label=None):
        """Return w [N, D] from z [N, Z] or None, and labels [N]."""
        inputs = [] if z is None else [normalize_second_moment(z)]
        if self.embed is not None:
            one_hot_label = one_hot(label, self.num_classes, self.embed.weight)
            inputs.append(normalize_second_moment(self.embed(one_hot_label)))
        return self.layers(torch.cat(inputs, 1))


class SynthesisBlock(nn.Module):
    """Two layers at one resolution; the first block has one, since it has no upsampling."""

    def __init__(
        self, in_channels, out_channels, resolution, num_channels, config, *, is_last=False
    ):
        super().__init__()
        style_dim, clamp = config.style_dim, config.conv_clamp
        is_residual = config.g_architecture == "resnet" and in_channels
        gain = math.sqrt(0.5) if is_residual else 1.0
        self.conv0 = self.skip = self.torgb = None
        if in_channels:
            self.conv0 = SynthesisLayer(
                in_channels, out_channels, style_dim, resolution, up=True, clamp=clamp
            )
        self.conv1 = SynthesisLayer(
            out_channels, out_channels, style_dim, resolution, gain=gain, clamp=clamp
        )
        if is_residual:
            self.skip = EqualConv2d(
                in_channels, out_channels, 1, bias=False, activation=False, gain=gain, resample="up"
            )
        if is_last or config.g_architecture == "skip":
            self.torgb = ToRGB(out_channels, num_channels, style_dim, clamp=clamp)

    @property
    def layers(self):
        """The layers that receive noise."""
        return [self.conv1] if self.conv0 is None else [self.conv0, self.conv1]

    def forward(self, x, image, ws, noises):
        """Return maps [N, O, h, w] and colors [N, C, h, w] or None, from those at half the size.

        Args:
            ws: w [N, D] of each layer, and of the colors.
            noises: one for each layer.
        """
        shortcut = 0 if self.skip is None else self.skip(x)
        for layer, w, noise in zip(self.layers, ws, noises, strict=False):
            x = layer(x, w, noise)
        x = x if self.skip is None else x + shortcut
        image = None if image is None else upsample(image)
        if self.torgb is not None:
            colors = self.torgb(x, ws[len(self.layers)])
            image = colors if image is None else image + colors
        return x, image


class Synthesis(nn.Module):
    """A constant at 4 px -> blocks that upsample to S px; the sum of the colors of all blocks
    (skip), or those of the last one (resnet, orig)."""

    def __init__(self, config, image_size, num_channels):
        super().__init__()
        channels = channels_at(config, image_size)
        self.const = nn.Parameter(torch.randn(channels[0], 4, 4))
        self.blocks = nn.ModuleList(
            SynthesisBlock(a, b, 4 * 2**i, num_channels, config, is_last=4 * 2**i == image_size)
            for i, (a, b) in enumerate(pairwise([0, *channels]))
        )
        self.num_styles = 2 * len(channels)
        """L: the layers, and the colors of the last block. Other blocks share the w of their colors
        with the next layer."""

    @property
    def layers(self):
        """The layers that receive noise."""
        return [layer for block in self.blocks for layer in block.layers]

    def forward(self, ws, noises=None):
        """Return images [N, C, S, S] from w [N, L, D].

        Args:
            noises: one for each of `layers`, each broadcast to [N, 1, h, w]; None for the constant
                noise of the network.
        """
        noises = [layer.noise_const for layer in self.layers] if noises is None else noises
        x, image, index = self.const.expand(len(ws), -1, -1, -1), None, 0
        ws = ws.unbind(1)
        for block in self.blocks:
            x, image = block(x, image, ws[index : index + 3], noises[index : index + 2])
            index += len(block.layers)
        return image


class StyleGenerator(Generator):
    """z -> w -> image. Without other noise, that of the network itself, so that an image depends on
    z and the label alone."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim = config.latent_dim
        self.mapping = Mapping(
            config.latent_dim, num_classes, config.style_dim, config.mapping_layers
        )
        self.register_buffer("w_mean", torch.zeros(config.style_dim))
        self.synthesis = Synthesis(config, image_size, num_channels)

    def styles(self, z, label=None, truncation=1.0, truncation_layers=None):
        """Return w [N, L, D] for each layer, moved towards the mean of w.

        Args:
            truncation: psi, 1 for w itself and 0 for the mean.
            truncation_layers: the number of layers, from the first, whose w is moved; None: all.
        """
        w = self.mapping(z, label)[:, None]  # [N, 1, D]
        ws = w.repeat(1, self.synthesis.num_styles, 1)
        if truncation != 1:
            ws[:, :truncation_layers] = self.w_mean.lerp(w, truncation)
        return ws

    def forward(self, z, label=None, *, ws=None, noises=None):
        """Return images [N, C, S, S] from z [N, Z] and labels [N], or from w [N, L, D]; in eval
        mode clamped to [-1, 1], in training linear."""
        image = self.synthesis(self.styles(z, label) if ws is None else ws, noises)
        return image if self.training else image.clamp(-1, 1)


class DiscriminatorBlock(nn.Module):
    """Two 3x3 convs, the second of which downsamples; residual (resnet), or with the image as a
    further input (skip)."""

    def __init__(self, in_channels, out_channels, num_channels, config, *, is_first=False):
        super().__init__()
        clamp, is_residual = config.conv_clamp, config.d_architecture == "resnet"
        gain = math.sqrt(0.5) if is_residual else 1.0
        self.fromrgb = self.skip = None
        if is_first or config.d_architecture == "skip":
            self.fromrgb = EqualConv2d(num_channels, in_channels, 1, clamp=clamp)
        self.conv0 = EqualConv2d(in_channels, in_channels, 3, clamp=clamp)
        self.conv1 = EqualConv2d(
            in_channels, out_channels, 3, gain=gain, resample="down", clamp=clamp
        )
        if is_residual:
            self.skip = EqualConv2d(
                in_channels,
                out_channels,
                1,
                bias=False,
                activation=False,
                gain=gain,
                resample="down",
            )

    def forward(self, x, image):
        """Return maps [N, O, h/2, w/2] from maps [N, I, h, w] or None, and the image."""
        if self.fromrgb is not None:
            colors = self.fromrgb(image)
            x = colors if x is None else x + colors
        shortcut = 0 if self.skip is None else self.skip(x)
        x = self.conv1(self.conv0(x))
        return x if self.skip is None else x + shortcut


class StyleDiscriminator(Discriminator):
    """Blocks down to 4 px -> standard deviation of the batch -> 3x3 conv -> two linear layers; the
    product with the class."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        channels = channels_at(config, image_size)[::-1]
        self.group_size, self.is_skip = config.mbstd_group_size, config.d_architecture == "skip"
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(a, b, num_channels, config, is_first=i == 0)
            for i, (a, b) in enumerate(pairwise(channels))
        )
        width, self.mapping, self.fromrgb = channels[-1], None, None
        if self.is_skip:
            self.fromrgb = EqualConv2d(num_channels, width, 1)
        if num_classes:
            self.mapping = Mapping(0, num_classes, width, config.d_mapping_layers)
        self.conv = EqualConv2d(width + 1, width, 3, clamp=config.conv_clamp)
        self.fc = EqualLinear(width * 16, width, activation=True)
        self.out = EqualLinear(width, width if num_classes else 1)

    def features(self, image, label=None):
        """Return the maps before the standard deviation, a list of one tensor [N, W, 4, 4]."""
        x = None
        for block in self.blocks:
            x = block(x, image)
            image = downsample(image) if self.is_skip else image
        return [x if self.fromrgb is None else x + self.fromrgb(image)]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        x = minibatch_stddev(self.features(image)[0], self.group_size)  # [N, W + 1, 4, 4]
        x = self.out(self.fc(self.conv(x).flatten(1)))  # [N, W], or [N, 1] without classes
        if self.mapping is None:
            return x.flatten()
        return (x * self.mapping(None, label)).sum(1) / math.sqrt(x.shape[1])
