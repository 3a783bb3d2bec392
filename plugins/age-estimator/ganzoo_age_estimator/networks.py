"""Networks that map images to 101 logits, one per age.

Shapes: N batch, S image size, W base channels.
"""

from itertools import pairwise

from torch import nn

from ganzoo_core.layers import (
    ProjectionBlock,
    check_image_size,
    conv_bn_relu,
    num_halvings,
    standardize_images,
)

NUM_AGES = 101
"""The ages 0 to 100."""


class _PFANet(nn.Module):
    """The network of PFA-GAN: stride-2 convolutions with 64 128 256 512 (512 512) channels down to
    4 px, and a linear layer. 11,978,045 parameters at 256 px, with a head for four groups.
    """

    def __init__(self, image_size, conv_channels=(64, 128, 256, 512, 512, 512), standardize=False):
        super().__init__()
        check_image_size("this network", image_size, minimum=16)
        num_downsamplings = num_halvings(image_size)
        channels = [3, *conv_channels, *[conv_channels[-1]] * num_downsamplings]
        channels = channels[: num_downsamplings + 1]
        layers = []
        for a, b in pairwise(channels):
            layers += [nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]  # halves the size
        self.standardize = standardize
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * 16, NUM_AGES))

    def forward(self, image):
        """Return logits [N, 101] for images [N, 3, S, S] in [-1, 1]."""
        return self.layers(standardize_images(image) if self.standardize else image)


class _SlimResNet(nn.Module):
    """A convolution, three residual blocks and a linear layer."""

    def __init__(self, base_channels, image_size):
        super().__init__()
        w = base_channels
        channels = [w, w * 3 // 2, w * 3, w * 4]  # 32 48 96 128
        self.layers = nn.Sequential(
            *conv_bn_relu(3, channels[0], 5, stride=2),  # [N, W, S/2, S/2]
            ProjectionBlock(channels[0], channels[1], 2),
            ProjectionBlock(channels[1], channels[2], 2),  # [N, 3W, S/8, S/8]
            ProjectionBlock(channels[2], channels[3], 2),
            nn.Flatten(),
            nn.Linear(channels[3] * (image_size // 16) ** 2, NUM_AGES),
        )

    def forward(self, image):
        """Return logits [N, 101] for images [N, 3, S, S] in [-1, 1]."""
        return self.layers(standardize_images(image))


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
