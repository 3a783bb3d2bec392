"""The encoder and decoder of the VAE, as perceptrons and as convolutions.

Shapes: N batch, C channels, S size, Z latent, H hidden, W width, k numbers a value.
"""

from torch import nn


class Encoder(nn.Module):
    """x -> mean and log variance of q(z | x)."""

    def __init__(self, config, size, channels):
        super().__init__()
        h, w = config.hidden, config.width
        if config.network == "mlp":  # one layer of tanh (appendix C)
            layers = [nn.Flatten(), nn.Linear(channels * size * size, h), nn.Tanh()]
        else:
            edge = quarter(size)
            layers = [
                nn.Conv2d(channels, w, 4, 2, 1),
                nn.SiLU(),  # [N, W, S/2, S/2]
                nn.Conv2d(w, 2 * w, 4, 2, 1),
                nn.SiLU(),  # [N, 2W, S/4, S/4]
                nn.Flatten(),
                nn.Linear(2 * w * edge * edge, h),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Linear(h, 2 * config.latent))

    def forward(self, x):
        """Images [N, C, S, S] -> mean and log variance, [N, Z] each."""
        return self.layers(x).float().chunk(2, 1)


class Decoder(nn.Module):
    """z -> the numbers of p(x | z)."""

    def __init__(self, config, size, channels, numbers):
        super().__init__()
        h, w, self.shape = config.hidden, config.width, (channels, numbers, size, size)
        if config.network == "mlp":
            values = channels * numbers * size * size
            layers = [nn.Linear(config.latent, h), nn.Tanh(), nn.Linear(h, values)]
        else:
            edge = quarter(size)
            layers = [
                nn.Linear(config.latent, h),
                nn.SiLU(),
                nn.Linear(h, 2 * w * edge * edge),
                nn.SiLU(),
                nn.Unflatten(1, (2 * w, edge, edge)),
                nn.ConvTranspose2d(2 * w, w, 4, 2, 1),
                nn.SiLU(),  # [N, W, S/2, S/2]
                nn.ConvTranspose2d(w, w, 4, 2, 1),
                nn.SiLU(),  # [N, W, S, S]
                nn.Conv2d(w, channels * numbers, 3, 1, 1),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, z):
        """Latents [N, Z] -> [N, C, S, S, k]."""
        return self.layers(z).float().reshape(-1, *self.shape).movedim(2, -1)


def quarter(size):
    """Return a quarter of the edge, to which the convolutions come."""
    if size % 4:
        raise ValueError(
            f"data.size: the convolutions halve twice, and {size} px is no multiple of 4: "
            f"--set data.size={4 * max(2, round(size / 4))}, or model.network=mlp"
        )
    return size // 4
