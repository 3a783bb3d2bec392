"""Networks that map images to 101 logits, one per age.

Shapes: N batch, S image size, W base channels.
"""

import math
from itertools import pairwise

from torch import nn
from torch.nn.functional import relu

NUM_AGES = 101
"""The ages 0 to 100."""


def _standardize_image(image):
    """Return each image with mean 0 and standard deviation 1: exposure does not depend on age."""
    image = image.float()
    centered = image - image.mean((1, 2, 3), keepdim=True)
    variance = centered.square().mean((1, 2, 3), keepdim=True)  # image.std is six times slower
    return centered / ((variance + 1e-12).sqrt() + 0.05)  # the gradient of sqrt is infinite at 0


class _PFANet(nn.Module):
    """The network of PFA-GAN: stride-2 convolutions with 64 128 256 512 (512 512) channels down to
    4 px, and a linear layer. 11,978,045 parameters at 256 px, with a head for four groups.
    """

    def __init__(self, image_size, conv_channels=(64, 128, 256, 512, 512, 512), standardize=False):
        super().__init__()
        if image_size < 16 or image_size & (image_size - 1):
            raise ValueError(
                f"data.image_size: this network needs a power of two from 16 px, not {image_size}: "
                f"--set data.image_size={2 ** max(4, round(math.log2(image_size)))}"
            )
        num_downsamplings = int(math.log2(image_size)) - 2
        channels = [3, *conv_channels, *[conv_channels[-1]] * num_downsamplings]
        channels = channels[: num_downsamplings + 1]
        layers = []
        for a, b in pairwise(channels):
            layers += [nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]  # halves the size
        self.standardize = standardize
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * 16, NUM_AGES))

    def forward(self, image):
        """Return logits [N, 101] for images [N, 3, S, S] in [-1, 1]."""
        return self.layers(_standardize_image(image) if self.standardize else image)


class _ResidualBlock(nn.Module):
    """Two convolutions and a 1x1 shortcut."""

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )
        self.conv2 = nn.Sequential(
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False), nn.BatchNorm2d(out_channels)
        )
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x):
        """Return maps [N, out_channels, H/stride, W/stride]."""
        return relu(self.conv2(self.conv1(x)) + self.shortcut(x))


class _SlimResNet(nn.Module):
    """A convolution, three residual blocks and a linear layer."""

    def __init__(self, base_channels, image_size):
        super().__init__()
        w = base_channels
        channels = [w, w * 3 // 2, w * 3, w * 4]  # 32 48 96 128
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels[0], 5, 2, 2, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
            _ResidualBlock(channels[0], channels[1], 2),
            _ResidualBlock(channels[1], channels[2], 2),  # [N, 3W, S/8, S/8]
            _ResidualBlock(channels[2], channels[3], 2),
            nn.Flatten(),
            nn.Linear(channels[3] * (image_size // 16) ** 2, NUM_AGES),
        )

    def forward(self, image):
        """Return logits [N, 101] for images [N, 3, S, S] in [-1, 1]."""
        return self.layers(_standardize_image(image))


def build_network(config, image_size):
    """Return the network that `config` names."""
    if config.network == "resnet18":
        from torchvision.models import resnet18

        return resnet18(num_classes=NUM_AGES)
    if config.network == "pfa":
        return _PFANet(image_size)
    if config.network == "residual":
        return _SlimResNet(config.base_channels, image_size)
    w = config.base_channels
    return _PFANet(image_size, (w, w * 2, w * 3, w * 5), standardize=True)  # 32 64 96 160
