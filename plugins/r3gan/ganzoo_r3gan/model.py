"""R3GAN: a modern backbone without tricks, held by both zero-centred gradient penalties.

Paper: The GAN is dead; long live the GAN! A Modern GAN Baseline (Huang, Gokaslan, Kuleshov and
Tompkin 2024, arXiv 2501.05441). Relativistic pairs with R1 and R2; in both networks inverted
bottlenecks with grouped convs, no norm, residual branches that begin at zero and are scaled as in
Fixup, [1 3 3 1] filters for doubling and halving.

What differs: G ends in tanh, for images in [-1, 1]; the penalties' weight, the betas and the rate
are constant where the paper schedules them; the presets are scaled down, all but `paper`.

Shapes: N batch, Z latent, W width, E class embedding, S size.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.losses import make_loss

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""Of a leaky ReLU."""
GROUP = 32
"""Channels a group of the grouped convs, before they are expanded."""


def drawn(layer, gain=1.0):
    """Draw a layer's weights with deviation gain / sqrt(fan in); its bias is zero."""
    nn.init.normal_(layer.weight, 0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """1x1 to twice the width, grouped 3x3, 1x1 back, added to the input; the last begins at 0."""

    def __init__(self, width, blocks):
        super().__init__()
        groups = max(1, width // GROUP)
        self.scale = GAIN * blocks**-0.25  # Fixup, for three layers a branch and so many branches
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.mix = nn.Conv2d(2 * width, 2 * width, 3, 1, 1, groups=groups)
        self.narrow = nn.Conv2d(2 * width, width, 1, bias=False)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the weights as at the start."""
        drawn(self.widen, self.scale)
        drawn(self.mix, self.scale)
        drawn(self.narrow, 0)

    def forward(self, x):
        """Return maps [N, W, h, w]."""
        h = self.mix(leaky_relu(self.widen(x), SLOPE))
        return x + self.narrow(leaky_relu(h, SLOPE))


class Resample(nn.Module):
    """Doubles or halves maps by the filter [1 3 3 1], and changes their width by a 1x1 conv."""

    def __init__(self, a, b, *, up):
        super().__init__()
        self.up = up
        self.width = drawn(nn.Conv2d(a, b, 1, bias=False)) if a != b else nn.Identity()

    def forward(self, x):
        """Return maps [N, b, 2h, 2w], or [N, b, h/2, w/2]."""
        if self.up:
            return interpolate(self.width(x), scale_factor=2, mode="bilinear")  # the same filter
        x = avg_pool2d(avg_pool2d(x, 2, 1, padding=1), 2, 1)  # three means of two: [1 3 3 1] / 8
        return self.width(avg_pool2d(x, 2))


def stages(config, size):
    """Return the widths of the maps from 4 px to S px: halved with every doubling beyond 32 px."""
    edges = [2**i for i in range(2, int(math.log2(size)) + 1)]
    return [config.width * 32 // max(edge, 32) for edge in edges]


class R3Generator(Generator):
    """(z, class) -> 4x4 basis -> blocks that double up to S px -> 1x1 conv."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.latent_dim = config.latent
        widths = stages(config, size)
        total = config.blocks * len(widths)
        entry = config.latent + (config.embedding if classes else 0)
        self.embed = nn.Embedding(classes, config.embedding) if classes else None
        self.basis = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.linear = drawn(nn.Linear(entry, widths[0], bias=False))
        layers = [Block(widths[0], total) for _ in range(config.blocks)]
        for a, b in pairwise(widths):  # [N, W, 8, 8] .. [N, W, 32, 32], [N, W/2, 64, 64]
            layers += [Resample(a, b, up=True), *(Block(b, total) for _ in range(config.blocks))]
        self.layers = nn.Sequential(*layers, drawn(nn.Conv2d(widths[-1], channels, 1)), nn.Tanh())

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, Z] and labels [N]."""
        if self.embed is not None:
            z = torch.cat([z, self.embed(label)], 1)  # [N, Z + E]
        return self.layers(self.linear(z)[:, :, None, None] * self.basis)  # from [N, W, 4, 4]


class R3Discriminator(Discriminator):
    """1x1 conv -> blocks that halve down to 4 px -> one value a channel; times the class."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        widths = stages(config, size)[::-1]
        total = config.blocks * len(widths)
        layers = [drawn(nn.Conv2d(channels, widths[0], 1))]
        for a, b in pairwise(widths):
            layers += [*(Block(a, total) for _ in range(config.blocks)), Resample(a, b, up=False)]
        layers += [Block(widths[-1], total) for _ in range(config.blocks)]
        self.layers = nn.Sequential(*layers)  # .. [N, W, 4, 4]
        self.basis = nn.Parameter(torch.randn(widths[-1], 4, 4) / 4)
        self.linear = drawn(nn.Linear(widths[-1], config.embedding if classes else 1, bias=False))
        self.embed = nn.Embedding(classes, config.embedding) if classes else None

    def begin(self):
        """Draw the weights as at the start."""
        for module in self.modules():
            if isinstance(module, Block):
                module.reset_parameters()
            elif isinstance(module, Resample):
                module.width.apply(lambda m: drawn(m) if isinstance(m, nn.Conv2d) else m)
        drawn(self.layers[0])
        drawn(self.linear)
        nn.init.normal_(self.basis, 0, 1 / 4)

    def features(self, image, label=None):
        """Return the maps before the basis, [N, W, 4, 4]."""
        return [self.layers(image)]

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S] and labels [N]."""
        h = (self.features(image)[0] * self.basis).sum((2, 3))  # [N, W], one value a channel
        h = self.linear(h)  # [N, E]
        return h.flatten() if self.embed is None else (h * self.embed(label)).sum(1)


class R3GAN(GAN):
    """Both gradient steps are those of `ganzoo_core.GAN`, with the loss of the presets."""

    def __init__(self, config, info):
        super().__init__(config, info)
        if info.size < 32 or info.size & (info.size - 1):
            raise ValueError(f"data.size: 32, 64, 128 ... px, not {info.size}: --set data.size=32")
        self.conditional = bool(info.classes)
        shape = (info.size, info.channels, len(info.classes))
        self.generator = R3Generator(config, *shape)
        self.discriminator = R3Discriminator(config, *shape)
        self.loss = make_loss(config.loss)
