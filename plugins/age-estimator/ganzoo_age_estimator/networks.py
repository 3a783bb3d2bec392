"""Networks from images to 101 logits, one an age.

Shapes: N batch, S size, W width.
"""

import math
from itertools import pairwise

from torch import nn
from torch.nn.functional import relu

AGES = 101
"""The ages 0 to 100."""


def standardised(image):
    """Return each image with mean 0 and deviation 1: exposure says nothing of age."""
    image = image.float()
    centred = image - image.mean((1, 2, 3), keepdim=True)
    variance = centred.square().mean((1, 2, 3), keepdim=True)  # image.std takes six times as long
    return centred / ((variance + 1e-12).sqrt() + 0.05)  # sqrt has no slope at 0


class PFANet(nn.Module):
    """PFA-GAN's: stride-2 convolutions 64 128 256 512 (512 512) down to 4 px, one linear layer.

    Its training code is not public. 11,978,045 parameters at 256 px with four groups.
    """

    def __init__(self, size, widths=(64, 128, 256, 512, 512, 512), standardise=False):
        super().__init__()
        if size < 16 or size & (size - 1):
            raise ValueError(f"data.size: this network takes 16, 32, 64 ... px, not {size}")
        halvings = int(math.log2(size)) - 2
        channels = [3, *widths, *[widths[-1]] * halvings][: halvings + 1]
        layers = [m for a, b in pairwise(channels) for m in down(a, b)]  # [N, 512, 4, 4]
        self.standardise = standardise
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * 16, AGES))

    def forward(self, image):
        """Return logits [N, 101] of images [N, 3, S, S] in [-1, 1]."""
        return self.layers(standardised(image) if self.standardise else image)


def down(a, b):
    """Return conv, BatchNorm, ReLU: halves the edge."""
    return nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, a, b, stride):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()
        )
        self.second = nn.Sequential(nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b))
        self.shortcut = nn.Conv2d(a, b, 1, stride, bias=False)

    def forward(self, x):
        """Return maps [N, b, H/stride, W/stride]."""
        return relu(self.second(self.first(x)) + self.shortcut(x))


class SlimResNet(nn.Module):
    """A stem, three residual blocks, a mean over places."""

    def __init__(self, width, size):
        super().__init__()
        w = [width, width * 3 // 2, width * 3, width * 4]  # 32 48 96 128
        self.layers = nn.Sequential(
            nn.Conv2d(3, w[0], 5, 2, 2, bias=False),
            nn.BatchNorm2d(w[0]),
            nn.ReLU(),
            Residual(w[0], w[1], 2),
            Residual(w[1], w[2], 2),  # [N, 3W, S/8, S/8]
            Residual(w[2], w[3], 2),
            nn.Flatten(),
            nn.Linear(w[3] * (size // 16) ** 2, AGES),
        )

    def forward(self, image):
        """Return logits [N, 101] of images [N, 3, S, S] in [-1, 1]."""
        return self.layers(standardised(image))


def build(config, size):
    """Return the network that the options ask for."""
    if config.network == "resnet18":
        from torchvision.models import resnet18

        return resnet18(num_classes=AGES)
    if config.network == "pfa":
        return PFANet(size)
    if config.network == "residual":
        return SlimResNet(config.width, size)
    w = config.width
    return PFANet(size, (w, w * 2, w * 3, w * 5), standardise=True)  # 32 64 96 160
