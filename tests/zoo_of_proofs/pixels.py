"""Pixel by pixel: an autoregressive model with its own sampling loop (van den Oord et al. 2016)."""

import torch
from torch import nn
from torch.nn.functional import conv2d, cross_entropy

from ganzoo_core import Adam, Draw, Model, Player, Stage, Step

LEVELS = 4


class Causal(nn.Conv2d):
    """A convolution that sees only what lies above and to the left."""

    def __init__(self, a, b, edge, strict):
        super().__init__(a, b, edge, padding=edge // 2)
        order = torch.arange(edge * edge).reshape(edge, edge)
        mask = (order < edge * edge // 2 + (not strict)).float()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        """Convolve with the masked kernel."""
        return conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class Pixels(Model):
    """The first channel in four levels of grey, each pixel given those before it."""

    serves = ("net",)

    def __init__(self, config, info):
        super().__init__(config, info)
        layers = [Causal(1, 12, 5, True), nn.ReLU(), Causal(12, 12, 3, False), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Conv2d(12, LEVELS, 1))

    def nll(self, t):
        """Cross-entropy of every pixel's level."""
        grey = t.batch.image[:, :1]
        level = ((grey + 1) / 2 * (LEVELS - 1)).round().long()[:, 0]
        return cross_entropy(self.net(grey).float(), level)

    def generate(self, n, label, noise):
        """Draw row by row, pixel by pixel: LEVELS noises, one network call each."""
        size = self.info.size
        image = torch.zeros(n, 1, size, size, device=self.net[0].weight.device)
        for y, x in ((i // size, i % size) for i in range(size * size)):
            chance = self.net(image)[:, :, y, x].float().softmax(1).cumsum(1)
            level = (noise(n, 1, kind="unit") > chance[:, :-1]).sum(1)
            image[:, 0, y, x] = level * (2 / (LEVELS - 1)) - 1
        return image.expand(-1, self.info.channels, -1, -1)

    def players(self):
        """One net."""
        return {"net": Player(("net",), Adam(lr=1e-2), ema=80.0)}

    def stages(self):
        """Every class equally often."""
        draw = Draw(fields=("image",), how="balanced")
        return (Stage("pixels", (Step("nll", "net", self.nll),), draw, rounds=8),)
