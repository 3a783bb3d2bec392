"""Two small networks of different make, for 64 px: at most 1.0 M parameters each.

Exposure and contrast of a photograph say nothing of who is in it: both take them out at once.

Shapes: N batch, W width, S size, D embedding.
"""

from torch import nn
from torch.nn.functional import relu


def unit(a, b, kernel=3, stride=1):
    """Return conv, BatchNorm, ReLU."""
    conv = nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(b), nn.ReLU())


def standardised(image):
    """Return each image with mean 0 and deviation 1 (flat ones stay flat)."""
    image = image.float()
    centred = image - image.mean((1, 2, 3), keepdim=True)
    variance = centred.square().mean((1, 2, 3), keepdim=True)  # image.std takes six times as long
    return centred / ((variance + 1e-12).sqrt() + 0.05)  # sqrt has no slope at 0


class Small(nn.Module):
    """Images [N, 3, S, S] in [-1, 1] to points [N, D]: `maps`, then `rest`."""

    def middle(self, image):
        """Return the middle layer's maps [N, C, S/8, S/8]."""
        return self.maps(standardised(image))

    def forward(self, image):
        """Return points [N, D], not normalised."""
        return self.rest(self.middle(image))


class Plain(Small):
    """Six convolutions and two linear layers."""

    def __init__(self, width, embedding, size):
        super().__init__()
        w = [width, width * 3 // 2, width * 2, width * 3, width * 4]  # 32 48 64 96 128
        self.maps = nn.Sequential(
            unit(3, w[0], 5, stride=2),  # [N, W, S/2, S/2]
            unit(w[0], w[1], stride=2),
            unit(w[1], w[2]),  # [N, 2W, S/4, S/4]
            unit(w[2], w[3], stride=2),
            unit(w[3], w[3]),  # [N, 3W, S/8, S/8]
        )
        flat = w[4] * (size // 16) ** 2
        self.rest = nn.Sequential(
            unit(w[3], w[4], stride=2),
            nn.Flatten(),  # [N, 4W S/16 S/16]
            nn.Linear(flat, 256, bias=False),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Linear(256, embedding),
        )


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, a, b, stride):
        super().__init__()
        self.first = unit(a, b, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b))
        self.shortcut = nn.Conv2d(a, b, 1, stride, bias=False)

    def forward(self, x):
        """Return maps [N, b, H/stride, W/stride]."""
        return relu(self.second(self.first(x)) + self.shortcut(x))


class SlimResNet(Small):
    """A stem and three residual blocks; one linear layer reads their last maps."""

    def __init__(self, width, embedding, size):
        super().__init__()
        w = [width, width * 3 // 2, width * 3, width * 4]  # 32 48 96 128
        self.maps = nn.Sequential(
            unit(3, w[0], 5, stride=2),  # [N, W, S/2, S/2]
            Residual(w[0], w[1], 2),
            Residual(w[1], w[2], 2),  # [N, 3W, S/8, S/8]
        )
        flat = w[3] * (size // 16) ** 2
        self.rest = nn.Sequential(
            Residual(w[2], w[3], 2),
            nn.Flatten(),
            nn.Linear(flat, embedding, bias=False),
            nn.BatchNorm1d(embedding),
        )
