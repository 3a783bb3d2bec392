"""The networks of IDCGAN. Shapes: N batch, Z latent, K classes, W width, S size."""

import math
from itertools import pairwise

import torch
from torch import nn

from ganzoo_core import Discriminator
from ganzoo_core.interfaces import one_hot


class Encoder(nn.Module):
    """Image -> the person's z: 5x5 convs that halve down to 4 px, one linear layer, tanh."""

    def __init__(self, config, size, channels):
        super().__init__()
        widths = [channels, *stairs(config.width, size)]  # 3 64 128 256 512
        convs = [m for a, b in pairwise(widths) for m in down(a, b, norm=nn.BatchNorm2d)]
        self.layers = nn.Sequential(
            *convs, nn.Flatten(), nn.Linear(widths[-1] * 16, config.latent), nn.Tanh()
        )

    def forward(self, image):
        """Return z [N, Z] in [-1, 1] of images [N, C, S, S]."""
        return self.layers(image)  # .. [N, 8W, 4, 4] -> [N, Z]


class Connector(nn.Module):
    """[z, y]: the age condition beside the person, repeated so that z does not drown it."""

    def __init__(self, config, classes):
        super().__init__()
        self.classes, self.repeat = classes, config.repeat
        self.width = config.latent + classes * config.repeat

    def forward(self, z, label):
        """Return [N, Z + K repeat] of z [N, Z] and labels [N]."""
        y = one_hot(label, self.classes, z) * 2 - 1  # in [-1, 1] like z
        return torch.cat([z, y.repeat(1, self.repeat)], 1)


class AgedGenerator(nn.Module):
    """Connected vectors -> 4 px -> doubled up to S px."""

    def __init__(self, config, size, channels, entry):
        super().__init__()
        widths = list(reversed(stairs(config.width, size)))  # 512 256 128 64
        self.first = nn.Sequential(
            nn.Linear(entry, widths[0] * 16, bias=False),
            nn.Unflatten(1, (widths[0], 4, 4)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        layers = [m for wide, narrow in pairwise(widths) for m in up(wide, narrow)]
        out = nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1)  # [N, 3, 64, 64]
        self.layers = nn.Sequential(*layers, out, nn.Tanh())

    def forward(self, vector):
        """Return images [N, C, S, S] in [-1, 1] of vectors [N, Z + K repeat]."""
        return self.layers(self.first(vector))


class AgeDiscriminator(Discriminator):
    """Image -> middle layer; the age joins behind it -> logit."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.classes = classes
        widths = [channels, *stairs(config.width, size)]  # 3 64 128 256 512
        middle = len(widths) // 2 + 1
        pairs = list(pairwise(widths))
        self.middle = nn.Sequential(
            *(
                m
                for i, (a, b) in enumerate(pairs[: middle - 1])
                for m in down(a, b, norm=nn.BatchNorm2d if i else None)
            )
        )
        join = [(widths[middle - 1] + classes, widths[middle]), *pairs[middle:]]
        rest = [m for a, b in join for m in down(a, b, norm=nn.BatchNorm2d)]
        self.rest = nn.Sequential(*rest, nn.Conv2d(widths[-1], 1, 4))

    def features(self, image, label=None):
        """Return the middle layer, which knows no age: [N, 2W, S/4, S/4] at 64 px."""
        return [self.middle(image)]

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S] and labels [N]."""
        return self.judge(self.middle(image), label)

    def judge(self, maps, label):
        """Return logits [N] of the middle layer and labels [N]."""
        y = one_hot(label, self.classes, maps)[:, :, None, None]
        return self.rest(torch.cat([maps, y.expand(-1, -1, *maps.shape[2:])], 1)).flatten()


def stairs(width, size):
    """Return the widths of the halvings from S down to 4 px: W, 2W, 4W, 8W at 64 px."""
    return [width * 2**i for i in range(int(math.log2(size)) - 2)]


def up(a, b):
    """Return transposed conv, BatchNorm, ReLU: doubles the edge."""
    conv = nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)
    return conv, nn.BatchNorm2d(b), nn.ReLU()


def down(a, b, norm):
    """Return conv, norm, LeakyReLU: halves the edge."""
    conv = nn.Conv2d(a, b, 5, 2, 2, bias=norm is None)
    return (conv, nn.LeakyReLU(0.2)) if norm is None else (conv, norm(b), nn.LeakyReLU(0.2))
