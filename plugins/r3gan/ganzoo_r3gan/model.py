"""R3GAN: a modern backbone, a relativistic pairing loss and two zero-centered gradient penalties.

Paper: The GAN is dead; long live the GAN! A Modern GAN Baseline (Huang, Gokaslan, Kuleshov and
Tompkin 2024, arXiv 2501.05441). The loss has R1 and R2. Both networks have inverted bottlenecks
with grouped convs and no norm. Residual branches are zero at initialization and scaled as in Fixup.
Resampling uses the filter [1 3 3 1].

Differs from the paper:

| | paper | here |
|---|---|---|
| output of G | linear | tanh, for images in [-1, 1] |
| penalty weight, betas, learning rate | scheduled | constant |
| size of the networks | one | `paper`, and smaller ones in the other presets |

Shapes: N batch, Z latent, W channels, E class embedding, S image size.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.layers import channels_by_resolution, check_image_size, init_normal
from ganzoo_core.losses import make_loss

_NEGATIVE_SLOPE = 0.2
_LEAKY_RELU_GAIN = math.sqrt(2 / (1 + _NEGATIVE_SLOPE**2))
_CHANNELS_PER_GROUP = 32
"""Channels in each group of the grouped convs, before the expansion."""


def _init_fan_in(layer, gain=1.0):
    """Initialize weights from N(0, gain / sqrt(fan_in)) and the bias by zero; return the layer."""
    return init_normal(layer, gain / math.sqrt(layer.weight[0].numel()))


class ResidualBlock(nn.Module):
    """Inverted bottleneck: 1x1 conv to 2W, grouped 3x3 conv, 1x1 conv to W, added to the input.

    Args:
        num_channels: W.
        num_blocks: residual blocks of the network, for the scale of Fixup.
    """

    def __init__(self, num_channels, num_blocks):
        super().__init__()
        groups = max(1, num_channels // _CHANNELS_PER_GROUP)
        self.init_gain = _LEAKY_RELU_GAIN * num_blocks**-0.25  # Fixup for branches of three layers
        self.expand = nn.Conv2d(num_channels, 2 * num_channels, 1)
        self.grouped_conv = nn.Conv2d(2 * num_channels, 2 * num_channels, 3, 1, 1, groups=groups)
        self.project = nn.Conv2d(2 * num_channels, num_channels, 1, bias=False)
        self.reset_parameters()

    def reset_parameters(self):
        """Initialize the weights again."""
        _init_fan_in(self.expand, self.init_gain)
        _init_fan_in(self.grouped_conv, self.init_gain)
        _init_fan_in(self.project, 0)

    def forward(self, x):
        """Return maps of the shape of x [N, W, h, w]."""
        h = self.grouped_conv(leaky_relu(self.expand(x), _NEGATIVE_SLOPE))  # [N, 2W, h, w]
        return x + self.project(leaky_relu(h, _NEGATIVE_SLOPE))


class Resample(nn.Module):
    """Upsamples or downsamples by 2 with the filter [1 3 3 1]; a 1x1 conv changes the channels."""

    def __init__(self, in_channels, out_channels, *, upsample):
        super().__init__()
        self.upsample = upsample
        self.proj = nn.Identity()
        if in_channels != out_channels:
            self.proj = _init_fan_in(nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x):
        """Return maps [N, out_channels, 2h, 2w], or [N, out_channels, h/2, w/2]."""
        if self.upsample:
            return interpolate(self.proj(x), scale_factor=2, mode="bilinear")  # the same filter
        x = avg_pool2d(avg_pool2d(x, 2, 1, padding=1), 2, 1)  # with the next: [1 3 3 1] / 8
        return self.proj(avg_pool2d(x, 2))


class R3Generator(Generator):
    """(z, class) -> 4x4 basis -> blocks that upsample to S px -> 1x1 conv, tanh."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim = config.latent_dim
        channels = channels_by_resolution(config.base_channels, image_size)
        num_repeats = config.blocks_per_resolution
        num_blocks = num_repeats * len(channels)
        class_embed_dim = config.class_embed_dim if num_classes else 0
        self.class_embed = nn.Embedding(num_classes, class_embed_dim) if num_classes else None
        self.basis = nn.Parameter(torch.randn(channels[0], 4, 4))
        z_proj = nn.Linear(config.latent_dim + class_embed_dim, channels[0], bias=False)
        self.z_proj = _init_fan_in(z_proj)
        layers = [ResidualBlock(channels[0], num_blocks) for _ in range(num_repeats)]
        for a, b in pairwise(channels):  # [N, W, 8, 8] .. [N, W, 32, 32], [N, W/2, 64, 64]
            layers += [Resample(a, b, upsample=True)]
            layers += [ResidualBlock(b, num_blocks) for _ in range(num_repeats)]
        head = _init_fan_in(nn.Conv2d(channels[-1], num_channels, 1))
        self.layers = nn.Sequential(*layers, head, nn.Tanh())

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and labels [N]."""
        if self.class_embed is not None:
            z = torch.cat([z, self.class_embed(label)], 1)  # [N, Z + E]
        return self.layers(self.z_proj(z)[:, :, None, None] * self.basis)  # from [N, W, 4, 4]


class R3Discriminator(Discriminator):
    """1x1 conv -> blocks that downsample to 4 px -> 4x4 basis -> product with the class."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        channels = channels_by_resolution(config.base_channels, image_size)[::-1]
        num_repeats = config.blocks_per_resolution
        num_blocks = num_repeats * len(channels)
        layers = [_init_fan_in(nn.Conv2d(num_channels, channels[0], 1))]
        for a, b in pairwise(channels):
            layers += [ResidualBlock(a, num_blocks) for _ in range(num_repeats)]
            layers += [Resample(a, b, upsample=False)]
        layers += [ResidualBlock(channels[-1], num_blocks) for _ in range(num_repeats)]
        self.layers = nn.Sequential(*layers)  # .. [N, W, 4, 4]
        self.basis = nn.Parameter(torch.randn(channels[-1], 4, 4) / 4)
        out_features = config.class_embed_dim if num_classes else 1
        self.head = _init_fan_in(nn.Linear(channels[-1], out_features, bias=False))
        self.class_embed = (
            nn.Embedding(num_classes, config.class_embed_dim) if num_classes else None
        )

    def reset_parameters(self):
        """Initialize the weights again."""
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                module.reset_parameters()
            elif isinstance(module, Resample):
                module.proj.apply(lambda m: _init_fan_in(m) if isinstance(m, nn.Conv2d) else m)
        _init_fan_in(self.layers[0])
        _init_fan_in(self.head)
        nn.init.normal_(self.basis, 0, 1 / 4)

    def features(self, image, label=None):
        """Return the maps before the basis, a list of one tensor [N, W, 4, 4]."""
        return [self.layers(image)]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        h = (self.features(image)[0] * self.basis).sum((2, 3))  # [N, W]
        h = self.head(h)  # [N, E]
        return h.flatten() if self.class_embed is None else (h * self.class_embed(label)).sum(1)


class R3GAN(GAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set the relativistic loss."""

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("r3gan", info.image_size, minimum=32, suggestion=32)
        self.conditional = bool(info.class_names)
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = R3Generator(config, *shape)
        self.discriminator = R3Discriminator(config, *shape)
        self.loss = make_loss(config.loss)
