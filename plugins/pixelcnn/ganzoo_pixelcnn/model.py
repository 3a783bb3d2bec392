"""PixelCNN and PixelRNN: an image is the product of its pixels, each given those before it.

Papers: Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner and Kavukcuoglu 2016,
arXiv 1601.06759), the networks in `pixel.py`; Conditional Image Generation with PixelCNN Decoders
(van den Oord et al. 2016, arXiv 1606.05328), the network in `gated.py`.

    log p(x) = sum over places i, in reading order, and channels R, G, B of log p(x_i | x_<i)

Each factor is a softmax over the levels, so the likelihood is exact. Training sees all places at
once; drawing goes from place to place and computes each once (`causal.Walk`).

Shapes: N batch, C channels, S size, L levels.
"""

import math

import torch
from torch.nn.functional import cross_entropy

from ganzoo_core import Draw, Model, Player, Stage, Step
from ganzoo_core.data.levels import from_codes, to_codes
from ganzoo_pixelcnn.causal import Walk
from ganzoo_pixelcnn.gated import GatedPixelCNN
from ganzoo_pixelcnn.pixel import PixelNet


class PixelCNN(Model):
    """One network of four; exact likelihoods, and samples one pixel after the other."""

    serves = ("net",)
    exact = True

    def __init__(self, config, info):
        super().__init__(config, info)
        self.levels = config.levels
        gated = config.network == "gated"
        self.conditional = gated and config.conditional and bool(info.classes)
        build = GatedPixelCNN if gated else PixelNet
        classes = len(info.classes) if self.conditional else 0
        self.net = build(config, info.size, info.channels, classes)

    # --- how it learns ------------------------------------------------------------------------

    def bits_loss(self, t):
        """Bits per dimension of the batch, 0-d: every place is a choice among L levels."""
        code = to_codes(t.batch.image, self.levels)
        return self.surprise(code, t.batch.label).mean() / math.log(2)

    def surprise(self, code, label):
        """Return -log p of every channel of every pixel, nats [N, S, S, C], of codes
        [N, C, S, S]."""
        logits = self.net(from_codes(code, self.levels), label).float()  # [N, S, S, C, L]
        target = code.permute(0, 2, 3, 1)  # [N, S, S, C]
        nats = cross_entropy(logits.flatten(0, 3), target.flatten(), reduction="none")
        return nats.view_as(target)

    def players(self):
        """Return the one player."""
        return {"net": Player(("net",), self.config.optim, ema=self.config.ema)}

    def stages(self):
        """Return one stage of one step."""
        fields = ("image", "label") if self.conditional else ("image",)
        step = Step("bits", "net", self.bits_loss)
        return (Stage("pixels", (step,), Draw(fields=fields), epochs=self.config.epochs),)

    # --- what it is for -----------------------------------------------------------------------

    def log_likelihood(self, image, label, noise):
        """Return log p(x), or log p(x | label), nats [N], exactly (capability `likelihood`)."""
        return -self.surprise(to_codes(image, self.levels), label).sum((1, 2, 3))

    def generate(self, n, label, noise):
        """Return images [n, C, S, S] in [-1, 1] (capability `sample`)."""
        unit = noise(n, self.info.channels, self.info.size, self.info.size, kind="unit")
        return self.drawn(unit, label)

    def drawn(self, unit, label=None, cached=True):
        """Draw one pixel after the other, by the inverse of each one's distribution.

        Args:
            unit: [N, C, S, S] in [0, 1), a number a choice.
            cached: compute each place once, from a memory; else the whole image at each place.
        """
        n, channels, size, _ = unit.shape
        label = label if self.conditional else None
        walk = Walk(n, channels, size, unit)
        for row, column, channel in walk.places():
            if cached:
                logits = self.net(walk.image, label, walk)[:, 0, 0, channel]
            else:
                logits = self.net(walk.image, label)[:, row, column, channel]
            code = chosen(logits.float(), unit[:, channel, row, column])
            walk.image[:, channel, row, column] = from_codes(code, self.levels)
        return walk.image


def chosen(logits, unit):
    """Return the codes [N] at which the distribution functions of logits [N, L] pass `unit` [N]."""
    below = logits.softmax(1).cumsum(1) <= unit[:, None]  # [N, L]
    return below[:, :-1].sum(1)


@torch.no_grad()
def walked(model, image, label=None):
    """Return log p(x), nats [N], of images [N, C, S, S] by the walk that also draws: the same as
    `log_likelihood`, one place after the other."""
    code = to_codes(image, model.levels)
    walk = Walk(*code.shape[:3], image)
    total = image.new_zeros(len(image))
    for row, column, channel in walk.places():
        logits = model.net(walk.image, label, walk)[:, 0, 0, channel].float()
        here = code[:, channel, row, column]
        total -= cross_entropy(logits, here, reduction="none")
        walk.image[:, channel, row, column] = from_codes(here, model.levels)
    return total
