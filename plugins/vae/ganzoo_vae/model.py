"""The variational autoencoder, trained on a lower bound of log p(x).

Paper: Auto-Encoding Variational Bayes (Kingma and Welling 2014, arXiv 1312.6114).

    log p(x) >= E_q log p(x | z) - KL(q(z | x) || N(0, I))                      (the ELBO)
    KL = -1/2 sum(1 + log s^2 - m^2 - s^2),  z = m + s * eps                    (appendix B)

Evaluation reports the tighter bound of K importance samples (Burda et al. 2016, arXiv 1509.00519):

    log p(x) >= E log 1/K sum_k p(x, z_k) / q(z_k | x)

Differs from the paper:

| | paper | here |
|---|---|---|
| optimizer | Adagrad | Adam |
| weight decay | that of the prior N(0, I) | none |
| initial weights | N(0, 0.01) | torch's defaults |
| networks | perceptrons | or convolutions |
| p(x given z) of faces | a density | masses on the levels of a pixel (`likelihoods.py`) |

Shapes: N batch, C channels, S image size, Z latent, K importance samples, P parameters per value.
"""

import math

import torch

from ganzoo_core import BatchSpec, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.data.quantization import dequantize, quantize
from ganzoo_vae.likelihoods import LIKELIHOODS, standard_normal_log_prob
from ganzoo_vae.networks import Decoder, Encoder


class VAE(Model):
    """An encoder q(z | x) and a decoder p(x | z), trained together on the ELBO."""

    inference_modules = ("encoder", "decoder")
    conditional = False
    is_exact = False

    def __init__(self, config, info):
        super().__init__(config, info)
        self.num_levels = config.levels
        self.likelihood = LIKELIHOODS[config.likelihood](config.levels)
        self.encoder = Encoder(config, info.image_size, info.num_channels)
        self.decoder = Decoder(
            config, info.image_size, info.num_channels, self.likelihood.num_params
        )

    # --- training -----------------------------------------------------------------------------

    def bits_per_dim_loss(self, ctx):
        """Return the negative ELBO in bits per dimension, 0-d."""
        codes = quantize(ctx.batch.image, self.num_levels)  # [N, C, S, S]
        mean, log_var = self.encoder(dequantize(codes, self.num_levels))
        z = mean + (log_var / 2).exp() * ctx.randn(*mean.shape)
        log_prob = self.decoder_log_prob(z, codes)  # [N] nats
        kl = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(1)  # [N] nats
        ctx.log({"nats/reconstruction": -log_prob.mean(), "nats/kl": kl.mean()})
        return (kl - log_prob).mean() / (codes[0].numel() * math.log(2))

    def configure_optimizers(self):
        """Return one optimizer for both networks."""
        return {
            "vae": OptimizerSpec(
                ("encoder", "decoder"),
                self.config.optim,
                ema_halflife=self.config.ema_halflife_images,
            )
        }

    def stages(self):
        """Return one stage of one phase."""
        phase = Phase("bits", "vae", self.bits_per_dim_loss)
        return (Stage("elbo", (phase,), BatchSpec(), epochs=self.config.epochs),)

    # --- inference ----------------------------------------------------------------------------

    def log_likelihood(self, image, label, rng):
        """Return the bound of log p(x) from K importance samples, nats [N] (capability
        `likelihood`)."""
        codes = quantize(image, self.num_levels)
        mean, log_var = self.encoder(dequantize(codes, self.num_levels))
        eps = rng.randn(len(codes), self.config.num_importance_samples, mean.shape[1])  # [N, K, Z]
        z = mean[:, None] + (log_var / 2).exp()[:, None] * eps
        log_q = standard_normal_log_prob(eps) - log_var.sum(1, keepdim=True) / 2  # [N, K]
        log_p_x = torch.stack([self.decoder_log_prob(z[:, k], codes) for k in range(z.shape[1])], 1)
        log_weights = log_p_x + standard_normal_log_prob(z) - log_q  # [N, K]
        return log_weights.logsumexp(1) - math.log(self.config.num_importance_samples)

    def decoder_log_prob(self, z, codes):
        """Return log p(x | z), nats [N], of codes [N, C, S, S] and latents [N, Z]."""
        return self.likelihood.log_prob(self.decoder(z), codes).sum((1, 2, 3))

    def generate(self, n, label, rng):
        """Return the means [n, C, S, S] of p(x | z), in [-1, 1], for z from the prior (capability
        `sample`)."""
        return self.decode(rng.randn(n, self.config.latent_dim))

    def decode(self, z):
        """Return the means [N, C, S, S] of p(x | z)."""
        return self.likelihood.mean(self.decoder(z))

    def encode(self, image):
        """Return the mean [N, Z] of q(z | x)."""
        return self.encoder(dequantize(quantize(image, self.num_levels), self.num_levels))[0]
