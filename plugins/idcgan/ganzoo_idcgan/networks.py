"""The networks of IDCGAN.

Shapes: N batch, Z latent, K classes, R label repeats, W base channels, S image size.
"""

from itertools import pairwise

import torch
from torch import nn

from ganzoo_core import Discriminator
from ganzoo_core.layers import (
    concat_label_maps,
    doubled_channels,
    downsample_block,
    num_halvings,
    one_hot,
    upsample_block,
)


class Encoder(nn.Module):
    """Image -> z of the person: 5x5 convs with stride 2 down to 4 px, one linear layer, tanh."""

    def __init__(self, config, image_size, num_channels):
        super().__init__()
        channels = [num_channels, *_channel_schedule(config.base_channels, image_size)]
        # 3 64 128 256 512
        layers = []
        for a, b in pairwise(channels):
            layers += downsample_block(a, b, kernel_size=5)
        linear = nn.Linear(channels[-1] * 16, config.latent_dim)
        self.layers = nn.Sequential(*layers, nn.Flatten(), linear, nn.Tanh())

    def forward(self, image):
        """Return z [N, Z] in [-1, 1] from images [N, C, S, S]."""
        return self.layers(image)  # .. [N, 8W, 4, 4] -> [N, Z]


class Connector(nn.Module):
    """Concatenates z and the one-hot age group, which is repeated to balance the length of z."""

    def __init__(self, config, num_classes):
        super().__init__()
        self.num_classes, self.label_repeats = num_classes, config.label_repeats
        self.out_features = config.latent_dim + num_classes * config.label_repeats

    def forward(self, z, label):
        """Return vectors [N, Z + K R] from z [N, Z] and labels [N]."""
        y = one_hot(label, self.num_classes, z) * 2 - 1  # in [-1, 1] like z
        return torch.cat([z, y.repeat(1, self.label_repeats)], 1)


class ConnectorGenerator(nn.Module):
    """Vectors of the connector -> 4 px -> upsampled to S px."""

    def __init__(self, config, image_size, num_channels, in_features):
        super().__init__()
        channels = _channel_schedule(config.base_channels, image_size)[::-1]  # 512 256 128 64
        self.stem = nn.Sequential(
            nn.Linear(in_features, channels[0] * 16, bias=False),
            nn.Unflatten(1, (channels[0], 4, 4)),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        )
        layers = []
        for a, b in pairwise(channels):  # [N, 256, 8, 8] .. [N, 64, 32, 32]
            layers += upsample_block(a, b)
        layers += [nn.ConvTranspose2d(channels[-1], num_channels, 4, 2, 1), nn.Tanh()]
        self.body = nn.Sequential(*layers)  # [N, 3, 64, 64]

    def forward(self, vector):
        """Return images [N, C, S, S] in [-1, 1] from vectors [N, Z + K R]."""
        return self.body(self.stem(vector))


class AgeDiscriminator(Discriminator):
    """Image -> middle layer; label maps are concatenated after it -> logit."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.num_classes = num_classes
        channels = [num_channels, *_channel_schedule(config.base_channels, image_size)]
        # 3 64 128 256 512
        middle = len(channels) // 2
        layers = []
        for i, (a, b) in enumerate(pairwise(channels[: middle + 1])):
            norm = "batch" if i else None
            layers += downsample_block(a, b, kernel_size=5, norm=norm, bias=not norm)
        self.stem = nn.Sequential(*layers)
        layers = []
        for a, b in pairwise([channels[middle] + num_classes, *channels[middle + 1 :]]):
            layers += downsample_block(a, b, kernel_size=5)
        self.head = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4))

    def features(self, image, label=None):
        """Return the middle layer, which is independent of the label, a list of one tensor:
        [N, 2W, S/4, S/4] at 64 px."""
        return [self.stem(image)]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        return self.logits_from_features(self.stem(image), label)

    def logits_from_features(self, features, label):
        """Return logits [N] from the middle layer and labels [N]."""
        return self.head(concat_label_maps(features, label, self.num_classes)).flatten()


def _channel_schedule(base_channels, image_size):
    """Return the channels of each downsampling from S to 4 px: W, 2W, 4W, 8W at 64 px."""
    return doubled_channels(base_channels, num_halvings(image_size))
