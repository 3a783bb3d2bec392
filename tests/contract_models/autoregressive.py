"""An autoregressive model with its own sampling loop (van den Oord et al. 2016)."""

import torch
from torch import nn
from torch.nn.functional import conv2d, cross_entropy

from ganzoo_core import Adam, BatchSpec, Model, OptimizerSpec, Phase, Stage

NUM_LEVELS = 4


class MaskedConv2d(nn.Conv2d):
    """A convolution over the pixels above and to the left."""

    def __init__(self, in_channels, out_channels, size, mask_center):
        super().__init__(in_channels, out_channels, size, padding=size // 2)
        order = torch.arange(size * size).reshape(size, size)
        mask = (order < size * size // 2 + (not mask_center)).float()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        """Convolve with the masked kernel."""
        return conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class TinyPixelCNN(Model):
    """Models the first channel in four gray levels, each pixel given those before it."""

    inference_modules = ("net",)

    def __init__(self, config, info):
        super().__init__(config, info)
        stem, conv = MaskedConv2d(1, 12, 5, True), MaskedConv2d(12, 12, 3, False)
        self.net = nn.Sequential(stem, nn.ReLU(), conv, nn.ReLU(), nn.Conv2d(12, NUM_LEVELS, 1))

    def nll(self, ctx):
        """Return the cross-entropy of the levels, 0-d."""
        gray = ctx.batch.image[:, :1]
        codes = ((gray + 1) / 2 * (NUM_LEVELS - 1)).round().long()[:, 0]
        return cross_entropy(self.net(gray).float(), codes)

    def generate(self, n, label, rng):
        """Sample pixel by pixel with one call of the network each."""
        size = self.info.image_size
        image = torch.zeros(n, 1, size, size, device=self.net[0].weight.device)
        for y, x in ((i // size, i % size) for i in range(size * size)):
            cdf = self.net(image)[:, :, y, x].float().softmax(1).cumsum(1)
            codes = (rng.rand(n, 1) > cdf[:, :-1]).sum(1)
            image[:, 0, y, x] = codes * (2 / (NUM_LEVELS - 1)) - 1
        return image.expand(-1, self.info.num_channels, -1, -1)

    def configure_optimizers(self):
        """Return one optimizer."""
        return {"net": OptimizerSpec(("net",), Adam(lr=1e-2), ema_halflife=80.0)}

    def stages(self):
        """Return one stage with class-balanced batches."""
        batch = BatchSpec(fields=("image",), sampler="class_balanced")
        return (Stage("pixels", (Phase("nll", "net", self.nll),), batch, steps=8),)
