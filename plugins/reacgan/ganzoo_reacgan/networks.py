"""BigGAN's networks for a class and a latent, with D's second head: a point on a sphere.

Paper: Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock, Donahue and
Simonyan 2019, arXiv 1809.11096), as ReACGAN's authors build them for CIFAR-10 in
POSTECH-CVLab/PyTorch-StudioGAN: each block of G reads the class and a piece of z of its own.

What differs: no self-attention, and spectral norm in D alone; beyond 32 px one block more in each
network for every doubling, half as wide each.

Shapes: N batch, Z a piece of z, A class and piece, W width of G, V width of D, E point, S size.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import interpolate, normalize, relu
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import Discriminator, Generator


class ConditionalNorm(nn.Module):
    """BatchNorm whose scale and shift are linear in the class and a piece of z."""

    def __init__(self, width, entry):
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.scale = nn.Linear(entry, width, bias=False)
        self.shift = nn.Linear(entry, width, bias=False)

    def forward(self, x, a):
        """Return maps [N, W, h, w] as the condition [N, A] has them."""
        return self.norm(x) * (1 + self.scale(a)[..., None, None]) + self.shift(a)[..., None, None]


class UpBlock(nn.Module):
    """Norm, ReLU, doubling, conv, norm, ReLU, conv; beside it doubling and a 1x1 conv."""

    def __init__(self, a, b, entry):
        super().__init__()
        self.norm1, self.norm2 = ConditionalNorm(a, entry), ConditionalNorm(b, entry)
        self.conv1, self.conv2 = nn.Conv2d(a, b, 3, 1, 1), nn.Conv2d(b, b, 3, 1, 1)
        self.shortcut = nn.Conv2d(a, b, 1)

    def forward(self, x, a):
        """Return maps [N, b, 2h, 2w]."""
        h = self.conv1(interpolate(relu(self.norm1(x, a)), scale_factor=2))
        h = self.conv2(relu(self.norm2(h, a)))
        return h + interpolate(self.shortcut(x), scale_factor=2)  # 1x1: before or after is one


class ACGenerator(Generator):
    """The first piece of z -> 4 px -> blocks that double up to S px and read the class and z."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        widths = [config.width, *(thinned(config.width, edge) for edge in edges(size))]
        entry = config.embedding + config.latent
        self.latent_dim = config.latent * len(widths)
        self.embed = nn.Embedding(classes, config.embedding)
        self.first = nn.Linear(config.latent, config.width * 16)
        self.blocks = nn.ModuleList(UpBlock(a, b, entry) for a, b in pairwise(widths))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.last = nn.Conv2d(widths[-1], channels, 3, 1, 1)
        orthogonal(self)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, 4Z] (32 px) and labels [N]."""
        first, *pieces = z.chunk(len(self.blocks) + 1, 1)  # each [N, Z]
        h = self.first(first).unflatten(1, (-1, 4, 4))  # [N, W, 4, 4]
        for block, piece in zip(self.blocks, pieces, strict=True):
            h = block(h, torch.cat([self.embed(label), piece], 1))  # [N, W, 8, 8] .. [N, W, 32, 32]
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


class ACDiscriminator(Discriminator):
    """Blocks down to 8 px, summed over places: a logit, and a point on the proxies' sphere."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        v = config.d_width
        halved = [edge // 2 for edge in reversed(edges(size)) if edge > 8]  # .. 32, 16, 8
        widths = [channels, *(thinned(v, 2 * edge) for edge in halved)]
        blocks = [DownBlock(a, b, first=i == 0) for i, (a, b) in enumerate(pairwise(widths))]
        self.blocks = nn.Sequential(*blocks, *(DownBlock(v, v, halve=False) for _ in range(2)))
        self.logit = spectral_norm(nn.Linear(v, 1))
        self.point = spectral_norm(nn.Linear(v, config.point))
        self.proxy = nn.Embedding(classes, config.point)
        orthogonal(self)

    def begin(self):
        """Draw the weights as at the start."""
        orthogonal(self)

    def both(self, image):
        """Return logits [N] and points [N, E] of images [N, C, S, S]; the class is not looked at.

        Points lie on the unit sphere.
        """
        h = relu(self.blocks(image)).sum((2, 3))  # [N, V, 8, 8] -> [N, V]
        return self.logit(h).flatten(), normalize(self.point(h).float())

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S]."""
        return self.both(image)[0]


def edges(size):
    """Return the edges of G's maps after each doubling: 8, 16 .. S."""
    return [2**i for i in range(3, int(math.log2(size)) + 1)]


def thinned(width, edge):
    """Return the width of maps of an edge: whole up to 32 px, then halved with every doubling."""
    return width * 32 // max(edge, 32)


@torch.no_grad()
def orthogonal(net):
    """Draw all weights orthogonal, with zero biases; BatchNorm begins as it is."""
    for name, weight in net.named_parameters():
        if weight.dim() > 1:
            nn.init.orthogonal_(weight)
        elif not name.startswith("norm"):
            nn.init.zeros_(weight)
