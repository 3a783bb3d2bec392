"""The three trained networks of Age-cGAN.

Shapes: N batch, Z latent, K classes, W base channels, S image size.
"""

from itertools import pairwise

import torch
from torch import nn

from ganzoo_core import Discriminator, Generator
from ganzoo_core.layers import (
    concat_label_maps,
    doubled_channels,
    downsample_block,
    latent_block,
    num_halvings,
    one_hot,
    upsample_block,
    upsample_conv,
)


class AgeGenerator(Generator):
    """(z, y) -> 4 px -> upsampled to S px; y is concatenated to z."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim, self.num_classes = config.latent_dim, num_classes
        channels = doubled_channels(config.base_channels, num_halvings(image_size))[::-1]
        # 512 256 128 64
        layers = [*latent_block(config.latent_dim + num_classes, channels[0])]  # [N, 512, 4, 4]
        for a, b in pairwise(channels):  # [N, 256, 8, 8] .. [N, 64, 32, 32]
            layers += upsample_block(a, b)
        layers += [*upsample_conv(channels[-1], num_channels), nn.Tanh()]
        self.layers = nn.Sequential(*layers)  # [N, 3, 64, 64]

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and labels [N]."""
        return self.layers(torch.cat([z, one_hot(label, self.num_classes, z)], 1)[:, :, None, None])


class AgeDiscriminator(Discriminator):
    """Image -> logit; label maps are concatenated after the first conv (Perarnau et al. 2016)."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.num_classes = num_classes
        w, *channels = doubled_channels(config.base_channels, num_halvings(image_size))
        self.stem = nn.Sequential(*downsample_block(num_channels, w, norm=None))
        channels = [w + num_classes, *channels]  # 70 128 256 512
        layers = []
        for a, b in pairwise(channels):
            layers += downsample_block(a, b, norm=config.discriminator.norm)
        self.body = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4, 1, 0, bias=False))

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        h = self.stem(image)  # [N, W, S/2, S/2]
        h = concat_label_maps(h, label, self.num_classes)
        return self.body(h).flatten()  # .. [N, 8W, 4, 4] -> [N]


class Encoder(nn.Module):
    """Image -> z: four 5x5 convs and two linear layers."""

    def __init__(self, config, image_size, num_channels):
        super().__init__()
        w, final_size = config.base_channels, image_size // 16
        layers = []
        for a, b in pairwise([num_channels, w, 2 * w, 4 * w, 8 * w]):
            layers += downsample_block(a, b, kernel_size=5)
        self.body = nn.Sequential(*layers, nn.Flatten())  # [N, 8W * (S/16)^2]
        self.head = nn.Sequential(
            nn.Linear(8 * w * final_size * final_size, 8 * w, bias=False),
            nn.BatchNorm1d(8 * w),
            nn.LeakyReLU(0.2),
            nn.Linear(8 * w, config.latent_dim),
        )

    def forward(self, image):
        """Return latents [N, Z] from images [N, C, S, S]."""
        return self.head(self.body(image))
