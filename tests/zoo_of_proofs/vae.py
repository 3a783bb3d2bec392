"""No adversary at all: a variational autoencoder (Kingma and Welling 2014)."""

from torch.nn.functional import mse_loss

from ganzoo_core import Adam, Model, Player, Stage, Step
from zoo_of_proofs.parts import down, up


class VAE(Model):
    """One player of two networks; only the decoder is served."""

    serves = ("decoder",)
    latent = 6

    def __init__(self, config, info):
        super().__init__(config, info)
        self.encoder = down(info.channels, 8, 2 * self.latent)
        self.decoder = up(self.latent, 8, info.channels)

    def generate(self, n, label, noise):
        """Decode z ~ N(0, I)."""
        return self.decoder(noise(n, self.latent)[:, :, None, None])

    def elbo(self, t):
        """Reconstruction and KL(q(z|x) || N(0, I)); the noise comes from the turn."""
        mean, log_var = self.encoder(t.batch.image).float().chunk(2, 1)
        z = mean + (0.5 * log_var).exp() * t.noise(*mean.shape)
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1).mean()
        error = mse_loss(self.decoder(z[:, :, None, None]).float(), t.batch.image)
        t.log(vae_kl=kl, vae_error=error)
        return error + 0.01 * kl

    def players(self):
        """Encoder and decoder learn together."""
        return {"vae": Player(("encoder", "decoder"), Adam(lr=1e-2), ema=100.0)}

    def stages(self):
        """One stage, measured in epochs."""
        return (Stage("vae", (Step("elbo", "vae", self.elbo),), epochs=1.5),)
