"""SNGAN with a projection discriminator: a critic whose slope is bounded layer by layer.

Papers: Spectral Normalization for Generative Adversarial Networks (Miyato et al. 2018,
arXiv 1802.05957), the residual nets of its CIFAR-10 table; cGANs with Projection Discriminator
(Miyato and Koyama 2018, arXiv 1802.05637), which adds conditional BatchNorm in G and, in D, the
product of the class's embedding with the pooled maps.

What differs: sizes beyond 32 px get one block more in each network for every doubling, half as
wide each; data without classes get plain BatchNorm and no projection.

Shapes: N batch, Z latent, W width of G, V width of D, S size.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import interpolate, relu
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.losses import make_loss


class ConditionalNorm(nn.Module):
    """BatchNorm whose scale and shift are those of the class, where there are classes."""

    def __init__(self, width, classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=not classes)
        if classes:
            self.scale, self.shift = nn.Embedding(classes, width), nn.Embedding(classes, width)
            nn.init.ones_(self.scale.weight)
            nn.init.zeros_(self.shift.weight)

    def forward(self, x, label):
        """Return normalised maps [N, W, h, w]."""
        x = self.norm(x)
        if self.norm.affine:
            return x
        return self.scale(label)[:, :, None, None] * x + self.shift(label)[:, :, None, None]


class UpBlock(nn.Module):
    """Norm, ReLU, doubling, conv, norm, ReLU, conv; beside it doubling and a 1x1 conv."""

    def __init__(self, a, b, classes):
        super().__init__()
        self.norm1, self.norm2 = ConditionalNorm(a, classes), ConditionalNorm(b, classes)
        self.conv1, self.conv2 = nn.Conv2d(a, b, 3, 1, 1), nn.Conv2d(b, b, 3, 1, 1)
        self.shortcut = nn.Conv2d(a, b, 1)

    def forward(self, x, label):
        """Return maps [N, b, 2h, 2w]."""
        h = self.conv1(interpolate(relu(self.norm1(x, label)), scale_factor=2))
        h = self.conv2(relu(self.norm2(h, label)))
        return h + interpolate(self.shortcut(x), scale_factor=2)  # 1x1: before or after is one


class SNGenerator(Generator):
    """z -> 4 px -> residual blocks that double up to S px."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.latent_dim = config.latent
        widths = [config.width, *(thinned(config.width, edge) for edge in edges(size))]
        self.first = nn.Linear(config.latent, config.width * 16)
        self.blocks = nn.ModuleList(UpBlock(a, b, classes) for a, b in pairwise(widths))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.last = nn.Conv2d(widths[-1], channels, 3, 1, 1)
        glorot(self)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, Z] and labels [N]."""
        h = self.first(z).unflatten(1, (-1, 4, 4))  # [N, W, 4, 4]
        for block in self.blocks:
            h = block(h, label)  # [N, W, 8, 8] .. [N, W, 32, 32], [N, W/2, 64, 64]
        return torch.tanh(self.last(relu(self.norm(h))))


class DownBlock(nn.Module):
    """ReLU, conv, ReLU, conv, halving; beside it a 1x1 conv and halving. All convs are bounded."""

    def __init__(self, a, b, *, first=False, halve=True):
        super().__init__()
        self.conv1 = spectral_norm(nn.Conv2d(a, b, 3, 1, 1))
        self.conv2 = spectral_norm(nn.Conv2d(b, b, 3, 1, 1))
        self.shortcut = spectral_norm(nn.Conv2d(a, b, 1)) if halve else nn.Identity()
        self.first, self.pool = first, nn.AvgPool2d(2) if halve else nn.Identity()

    def forward(self, x):
        """Return maps [N, b, h, w], halved unless it is told not to."""
        h = self.conv2(relu(self.conv1(x if self.first else relu(x))))
        return self.pool(h) + self.shortcut(self.pool(x))


class SNDiscriminator(Discriminator):
    """Blocks that halve down to 8 px, two that do not, the sum over places; linear + projection."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        v = config.d_width
        halved = [edge // 2 for edge in reversed(edges(size)) if edge > 8]  # .. 32, 16, 8
        widths = [channels, *(thinned(v, 2 * edge) for edge in halved)]
        blocks = [DownBlock(a, b, first=i == 0) for i, (a, b) in enumerate(pairwise(widths))]
        self.blocks = nn.Sequential(*blocks, *(DownBlock(v, v, halve=False) for _ in range(2)))
        self.linear = spectral_norm(nn.Linear(v, 1))
        self.embed = spectral_norm(nn.Embedding(classes, v)) if classes else None
        glorot(self)

    def begin(self):
        """Draw the weights as at the start."""
        glorot(self)

    def features(self, image, label=None):
        """Return the maps before the sum over places, [N, V, 8, 8]."""
        return [relu(self.blocks(image))]

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S] and labels [N]."""
        h = self.features(image)[0].sum((2, 3))  # [N, V]
        logit = self.linear(h).flatten()
        return logit if self.embed is None else logit + (self.embed(label) * h).sum(1)


def edges(size):
    """Return the edges of G's maps after each doubling: 8, 16 .. S."""
    return [2**i for i in range(3, int(math.log2(size)) + 1)]


def thinned(width, edge):
    """Return the width of maps of an edge: whole up to 32 px, then halved with every doubling."""
    return width * 32 // max(edge, 32)


@torch.no_grad()
def glorot(net):
    """Draw the weights of convs and linear layers as Glorot and Bengio do, with zero biases."""
    for name, weight in net.named_parameters():
        if "scale" in name or "shift" in name or "norm" in name:
            continue
        if weight.dim() > 1:
            nn.init.xavier_uniform_(weight)
        else:
            nn.init.zeros_(weight)


class SNGAN(GAN):
    """Both gradient steps are those of `ganzoo_core.GAN`, with the hinge loss of the presets."""

    def __init__(self, config, info):
        super().__init__(config, info)
        if info.size < 32 or info.size & (info.size - 1):
            raise ValueError(f"data.size: 32, 64, 128 ... px, not {info.size}: --set data.size=32")
        self.conditional = bool(info.classes)
        shape = (info.size, info.channels, len(info.classes))
        self.generator = SNGenerator(config, *shape)
        self.discriminator = SNDiscriminator(config, *shape)
        self.loss = make_loss(config.loss)
