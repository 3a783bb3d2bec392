"""The variational autoencoder: a bound of log p(x), and what it takes to raise it.

Paper: Auto-Encoding Variational Bayes (Kingma and Welling 2014, arXiv 1312.6114).

    log p(x) >= E_q log p(x | z) - KL(q(z | x) || N(0, I))                      (the ELBO)
    KL = -1/2 sum(1 + log s^2 - m^2 - s^2),  z = m + s * noise                  (appendix B)

Evaluation reports the tighter bound of K importance samples (Burda et al. 2016, arXiv 1509.00519):

    log p(x) >= E log 1/K sum_k p(x, z_k) / q(z_k | x)

What differs: Adam in place of Adagrad; no weight decay; besides the perceptrons, convolutions; and
all likelihoods are masses on the levels of a pixel (`likelihoods.py`), where the paper gives a
density for faces.

Shapes: N batch, C channels, S size, Z latent, K importance samples, k numbers a value.
"""

import math

import torch

from ganzoo_core import Draw, Model, Player, Stage, Step
from ganzoo_core.data.levels import from_codes, to_codes
from ganzoo_vae.likelihoods import LIKELIHOODS, log_normal
from ganzoo_vae.networks import Decoder, Encoder


class VAE(Model):
    """An encoder q(z | x) and a decoder p(x | z), trained together on the ELBO."""

    serves = ("encoder", "decoder")
    conditional = False
    exact = False

    def __init__(self, config, info):
        super().__init__(config, info)
        self.levels = config.levels
        self.likelihood = LIKELIHOODS[config.likelihood](config.levels)
        self.encoder = Encoder(config, info.size, info.channels)
        self.decoder = Decoder(config, info.size, info.channels, self.likelihood.numbers)

    # --- how it learns ------------------------------------------------------------------------

    def bits_loss(self, t):
        """The negative ELBO in bits per dimension, 0-d."""
        code = to_codes(t.batch.image, self.levels)  # [N, C, S, S]
        mean, log_var = self.encoder(from_codes(code, self.levels))
        z = mean + (log_var / 2).exp() * t.noise(*mean.shape)
        rebuilt = self.rebuilt(z, code)  # [N] nats
        divergence = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(1)  # [N] nats
        t.log(rebuild_nats=-rebuilt.mean(), kl_nats=divergence.mean())
        return (divergence - rebuilt).mean() / (code[0].numel() * math.log(2))

    def players(self):
        """Return the one player: both networks learn together."""
        return {"vae": Player(("encoder", "decoder"), self.config.optim, ema=self.config.ema)}

    def stages(self):
        """Return one stage of one step."""
        step = Step("bits", "vae", self.bits_loss)
        return (Stage("elbo", (step,), Draw(), epochs=self.config.epochs),)

    # --- what it is for -----------------------------------------------------------------------

    def log_likelihood(self, image, label, noise):
        """Return the bound of log p(x) by K importance samples, nats [N] (capability
        `likelihood`)."""
        code = to_codes(image, self.levels)
        mean, log_var = self.encoder(from_codes(code, self.levels))
        drawn = noise(len(code), self.config.importance, mean.shape[1])  # [N, K, Z]
        z = mean[:, None] + (log_var / 2).exp()[:, None] * drawn
        log_q = log_normal(drawn) - log_var.sum(1, keepdim=True) / 2  # [N, K]
        log_x = torch.stack([self.rebuilt(z[:, k], code) for k in range(z.shape[1])], 1)
        weight = log_x + log_normal(z) - log_q  # [N, K]
        return weight.logsumexp(1) - math.log(self.config.importance)

    def rebuilt(self, z, code):
        """Return log p(x | z), nats [N], of codes [N, C, S, S] and latents [N, Z]."""
        return self.likelihood.log_prob(self.decoder(z), code).sum((1, 2, 3))

    def generate(self, n, label, noise):
        """Return the means [n, C, S, S] of p(x | z), in [-1, 1], for z from the prior (capability
        `sample`)."""
        return self.decoded(noise(n, self.config.latent))

    def decoded(self, z):
        """Return the means [N, C, S, S] of p(x | z)."""
        return self.likelihood.mean(self.decoder(z))

    def encoded(self, image):
        """Return the mean [N, Z] of q(z | x)."""
        return self.encoder(from_codes(to_codes(image, self.levels), self.levels))[0]
