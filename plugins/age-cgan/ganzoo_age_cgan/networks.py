"""The three trained networks of Age-cGAN. Shapes: N batch, Z latent, K classes, W width, S size."""

import math
from itertools import pairwise

import torch
from torch import nn

from ganzoo_core import Discriminator, Generator
from ganzoo_core.interfaces import NORMS, one_hot


def check_size(size):
    """Refuse sizes that halving does not bring to 4 px."""
    if size < 32 or size & (size - 1):
        raise ValueError(
            f"data.size: age-cgan draws 32, 64, 128 ... px, not {size}: --set data.size=64"
        )


class AgeGenerator(Generator):
    """(z, y) -> 4 px -> doubled up to S px; y enters at the input."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.latent_dim, self.classes = config.latent, classes
        doublings = int(math.log2(size)) - 3
        widths = [config.width * 2**i for i in reversed(range(doublings + 1))]  # 512 256 128 64
        layers = [*up(config.latent + classes, widths[0], 1, 0)]  # [N, 512, 4, 4]
        layers += [m for wide, narrow in pairwise(widths) for m in up(wide, narrow)]
        out = nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False)  # [N, 3, 64, 64]
        self.layers = nn.Sequential(*layers, out, nn.Tanh())

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, Z] and labels [N]."""
        return self.layers(torch.cat([z, one_hot(label, self.classes, z)], 1)[:, :, None, None])


class AgeDiscriminator(Discriminator):
    """Image -> logit; the label maps join at the first conv's output (Perarnau et al. 2016)."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.classes = classes
        w, halvings = config.width, int(math.log2(size)) - 2
        self.first = nn.Sequential(nn.Conv2d(channels, w, 4, 2, 1, bias=False), nn.LeakyReLU(0.2))
        widths = [w + classes, *(w * 2**i for i in range(1, halvings))]  # 70 128 256 512
        norm = NORMS[config.discriminator.norm]
        layers = [m for a, b in pairwise(widths) for m in down(a, b, 4, 1, norm)]
        self.rest = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False))

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S] and labels [N]."""
        h = self.first(image)  # [N, W, S/2, S/2]
        y = one_hot(label, self.classes, h)[:, :, None, None].expand(-1, -1, *h.shape[2:])
        return self.rest(torch.cat([h, y], 1)).flatten()  # .. [N, 8W, 4, 4] -> [N]


class Encoder(nn.Module):
    """Image -> z: four 5x5 convs, two linear layers."""

    def __init__(self, config, size, channels):
        super().__init__()
        w, edge = config.width, size // 16
        widths = [channels, w, 2 * w, 4 * w, 8 * w]
        convs = [m for a, b in pairwise(widths) for m in down(a, b, 5, 2)]  # [N, 8W, S/16, S/16]
        self.convs = nn.Sequential(*convs, nn.Flatten())
        self.linears = nn.Sequential(
            nn.Linear(8 * w * edge * edge, 8 * w, bias=False),
            nn.BatchNorm1d(8 * w),
            nn.LeakyReLU(0.2),
            nn.Linear(8 * w, config.latent),
        )

    def forward(self, image):
        """Return latents [N, Z] of images [N, C, S, S]."""
        return self.linears(self.convs(image))


def up(a, b, stride=2, padding=1):
    """Return transposed conv, BatchNorm, ReLU: doubles the edge."""
    conv = nn.ConvTranspose2d(a, b, 4, stride, padding, bias=False)
    return conv, nn.BatchNorm2d(b), nn.ReLU()


def down(a, b, kernel, padding, norm=nn.BatchNorm2d):
    """Return conv, norm, LeakyReLU: halves the edge."""
    return nn.Conv2d(a, b, kernel, 2, padding, bias=False), norm(b), nn.LeakyReLU(0.2)
