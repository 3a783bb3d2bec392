"""PixelCNN and PixelRNN: autoregressive models of the pixels of an image.

Papers: Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner and Kavukcuoglu 2016,
arXiv 1601.06759), the networks in `pixelrnn.py`; Conditional Image Generation with PixelCNN
Decoders (van den Oord et al. 2016, arXiv 1606.05328), the network in `gated.py`.

    log p(x) = sum over positions i, in reading order, and channels R, G, B of log p(x_i | x_<i)

Each factor is a softmax over the levels, so the likelihood is exact. Training computes all
positions in parallel. Sampling computes one position after the other (`masked.IncrementalState`).

Shapes: N batch, C channels, S image size, L levels.
"""

import math

from torch.nn.functional import cross_entropy

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.data.quantization import dequantize, quantize
from ganzoo_pixelcnn.gated import GatedPixelCNN
from ganzoo_pixelcnn.masked import IncrementalState
from ganzoo_pixelcnn.pixelrnn import PixelRNN


class PixelCNN(Model):
    """One of four networks, with exact likelihoods and sequential sampling."""

    inference_modules = ("net",)
    is_exact = True

    def __init__(self, config, info):
        super().__init__(config, info)
        self.num_levels = config.levels
        is_gated = config.network == "gated"
        self.conditional = is_gated and config.conditional and bool(info.class_names)
        network_class = GatedPixelCNN if is_gated else PixelRNN
        num_classes = len(info.class_names) if self.conditional else 0
        self.net = network_class(config, info.image_size, info.num_channels, num_classes)

    # --- training -----------------------------------------------------------------------------

    def bits_per_dim_loss(self, ctx):
        """Return the negative log-likelihood of the batch in bits per dimension, 0-d."""
        codes = quantize(ctx.batch.image, self.num_levels)
        return self._nll(codes, ctx.batch.label).mean() / math.log(2)

    def _nll(self, codes, label):
        """Return -log p, nats [N, S, S, C], of codes [N, C, S, S]."""
        logits = self.net(dequantize(codes, self.num_levels), label).float()  # [N, S, S, C, L]
        target = codes.permute(0, 2, 3, 1)  # [N, S, S, C]
        nats = cross_entropy(logits.flatten(0, 3), target.flatten(), reduction="none")
        return nats.view_as(target)

    def configure_optimizers(self):
        """Return the one optimizer."""
        return {
            "net": OptimizerSpec(
                ("net",), self.config.optim, ema_halflife=self.config.ema_halflife_images
            )
        }

    def stages(self):
        """Return one stage of one phase."""
        fields = ("image", "label") if self.conditional else ("image",)
        phase = Phase("bits", "net", self.bits_per_dim_loss)
        return (Stage("pixels", (phase,), BatchSpec(fields=fields), epochs=self.config.epochs),)

    # --- inference ----------------------------------------------------------------------------

    def log_likelihood(self, image, label, rng):
        """Return log p(x), or log p(x | label), nats [N] (capability `likelihood`)."""
        return -self._nll(quantize(image, self.num_levels), label).sum((1, 2, 3))

    def generate(self, n, label, rng):
        """Return images [n, C, S, S] in [-1, 1] (capability `sample`)."""
        size = self.info.image_size
        return self.sample_pixels(rng.rand(n, self.info.num_channels, size, size), label)

    def sample_pixels(self, uniform, label=None, use_cache=True):
        """Return images [N, C, S, S] in [-1, 1], sampled sequentially through the inverse cdf.

        Args:
            uniform: [N, C, S, S] in [0, 1), one number per value.
            label: [N], for conditional models.
            use_cache: compute each position once; else compute the whole image for each position.
        """
        batch_size, channels, size, _ = uniform.shape
        label = label if self.conditional else None
        state = IncrementalState(batch_size, channels, size, uniform)
        for row, column, channel in state.positions():
            if use_cache:
                logits = self.net(state.image, label, state)[:, 0, 0, channel]
            else:
                logits = self.net(state.image, label)[:, row, column, channel]
            code = inverse_cdf(logits.float(), uniform[:, channel, row, column])
            state.image[:, channel, row, column] = dequantize(code, self.num_levels)
        return state.image


def inverse_cdf(logits, uniform):
    """Return the codes [N] at which the cdfs of logits [N, L] exceed `uniform` [N]."""
    below = logits.softmax(1).cumsum(1) <= uniform[:, None]  # [N, L]
    return below[:, :-1].sum(1)
