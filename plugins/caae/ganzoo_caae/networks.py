"""The networks of CAAE (Zhang, Song and Qi 2017, arXiv 1702.08423).

Shapes: N batch, Z latent, K classes, R label repeats, C image channels, S image size.
"""

from itertools import pairwise

import torch
from torch import nn

from ganzoo_core import Discriminator
from ganzoo_core.layers import (
    doubled_channels,
    init_normal,
    label_maps,
    num_halvings,
    one_hot,
)


class Encoder(nn.Module):
    """Image -> z: 5x5 convs with stride 2 down to 4 px, one linear layer, tanh; no norm."""

    def __init__(self, config, image_size, num_channels):
        super().__init__()
        channels = doubled_channels(config.e_channels, num_halvings(image_size))
        layers = []
        for a, b in pairwise([num_channels, *channels]):  # 3 64 128 256 512 1024 at 128 px
            layers += [init_normal(nn.Conv2d(a, b, 5, 2, 2)), nn.ReLU()]
        linear = init_normal(nn.Linear(16 * channels[-1], config.latent_dim))
        self.layers = nn.Sequential(*layers, nn.Flatten(), linear, nn.Tanh())

    def forward(self, image):
        """Return z [N, Z] in (-1, 1) from images [N, C, S, S]."""
        return self.layers(image)


class Generator(nn.Module):
    """z and the age group, repeated to the length of z -> 4 px -> S px -> two convs at S px."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.num_classes = num_classes
        self.label_repeats = max(config.latent_dim // num_classes, 1)
        w = config.g_channels
        # 1024 512 256 128 64 32, then 16 at the same resolution, at 128 px
        channels = [max(w // 2**i, 1) for i in range(num_halvings(image_size) + 2)]
        in_features = config.latent_dim + num_classes * self.label_repeats
        self.stem = nn.Sequential(
            init_normal(nn.Linear(in_features, 16 * w)), nn.Unflatten(1, (w, 4, 4)), nn.ReLU()
        )
        layers = []
        for a, b in pairwise(channels[:-1]):  # [N, 512, 8, 8] .. [N, 32, S, S]
            layers += [init_normal(nn.ConvTranspose2d(a, b, 5, 2, 2, 1)), nn.ReLU()]
        layers += [init_normal(nn.ConvTranspose2d(*channels[-2:], 5, 1, 2)), nn.ReLU()]
        layers += [init_normal(nn.ConvTranspose2d(channels[-1], num_channels, 5, 1, 2)), nn.Tanh()]
        self.body = nn.Sequential(*layers)

    def forward(self, z, label):
        """Return images [N, C, S, S] in [-1, 1] from z [N, Z] and age groups [N]."""
        y = one_hot(label, self.num_classes, z) * 2 - 1  # in [-1, 1] like z
        return self.body(self.stem(torch.cat([z, y.repeat(1, self.label_repeats)], 1)))


class LatentDiscriminator(nn.Module):
    """z -> logit: linear layers of 64, 32 and 16 with BatchNorm."""

    def __init__(self, latent_dim):
        super().__init__()
        layers = []
        for a, b in pairwise((latent_dim, 64, 32, 16)):
            layers += [init_normal(nn.Linear(a, b)), nn.BatchNorm1d(b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, init_normal(nn.Linear(16, 1)))

    def forward(self, z):
        """Return logits [N] from z [N, Z]."""
        return self.layers(z).flatten()


class ImageDiscriminator(Discriminator):
    """Image and age group -> logit: four 5x5 convs with stride 2, two linear layers. Label maps in
    [-1, 1] are concatenated after the first conv."""

    def __init__(self, base_channels, image_size, num_channels, num_classes):
        super().__init__()
        self.num_classes = num_classes
        channels = doubled_channels(base_channels, 4)  # 16 32 64 128
        self.stem = nn.Sequential(*_conv_norm_relu(num_channels, channels[0]))
        layers = []
        for a, b in pairwise([channels[0] + num_classes, *channels[1:]]):
            layers += _conv_norm_relu(a, b)  # [N, 128, S/16, S/16]
        hidden = init_normal(nn.Linear(channels[-1] * (image_size // 16) ** 2, 64 * base_channels))
        logit = init_normal(nn.Linear(64 * base_channels, 1))
        self.body = nn.Sequential(*layers, nn.Flatten(), hidden, nn.LeakyReLU(0.2), logit)

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and age groups [N]."""
        x = self.stem(image)  # [N, 16, S/2, S/2]
        y = label_maps(label, self.num_classes, x) * 2 - 1
        return self.body(torch.cat([x, y], 1)).flatten()


def _conv_norm_relu(a, b):
    return [init_normal(nn.Conv2d(a, b, 5, 2, 2)), nn.BatchNorm2d(b), nn.ReLU()]
