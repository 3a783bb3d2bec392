"""A variational autoencoder without an adversarial loss (Kingma and Welling 2014)."""

from torch.nn.functional import mse_loss

from contract_models.networks import conv_decoder, conv_encoder
from ganzoo_core import Adam, Model, OptimizerSpec, Phase, Stage


class VAE(Model):
    """One optimizer for two networks; inference uses only the decoder."""

    inference_modules = ("decoder",)
    latent_dim = 6

    def __init__(self, config, info):
        super().__init__(config, info)
        self.encoder = conv_encoder(info.num_channels, 8, 2 * self.latent_dim)
        self.decoder = conv_decoder(self.latent_dim, 8, info.num_channels)

    def generate(self, n, label, rng):
        """Decode z ~ N(0, I)."""
        return self.decoder(rng.randn(n, self.latent_dim)[:, :, None, None])

    def elbo(self, ctx):
        """Return the reconstruction error plus the weighted KL(q(z|x) || N(0, I)), 0-d."""
        mean, log_var = self.encoder(ctx.batch.image).float().chunk(2, 1)
        z = mean + (0.5 * log_var).exp() * ctx.randn(*mean.shape)
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1).mean()
        reconstruction = self.decoder(z[:, :, None, None]).float()
        reconstruction_loss = mse_loss(reconstruction, ctx.batch.image)
        ctx.log({"loss/kl": kl, "loss/reconstruction": reconstruction_loss})
        return reconstruction_loss + 0.01 * kl

    def configure_optimizers(self):
        """Return one optimizer of encoder and decoder."""
        return {"vae": OptimizerSpec(("encoder", "decoder"), Adam(lr=1e-2), ema_halflife=100.0)}

    def stages(self):
        """Return one stage with a length in epochs."""
        return (Stage("vae", (Phase("elbo", "vae", self.elbo),), epochs=1.5),)
