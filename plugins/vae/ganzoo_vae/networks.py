"""The encoder and the decoder of the VAE, as perceptrons and as convolutions.

Shapes: N batch, C channels, S image size, Z latent, W base channels, P parameters per value.
"""

from torch import nn

from ganzoo_core.layers import check_image_size


class Encoder(nn.Module):
    """x -> mean and log variance of q(z | x)."""

    def __init__(self, config, image_size, num_channels):
        super().__init__()
        hidden_dim, base_channels = config.hidden_dim, config.base_channels
        if config.network == "mlp":  # one layer of tanh (appendix C)
            layers = [
                nn.Flatten(),
                nn.Linear(num_channels * image_size * image_size, hidden_dim),
                nn.Tanh(),
            ]
        else:
            feature_size = _feature_size(image_size)
            layers = [
                nn.Conv2d(num_channels, base_channels, 4, 2, 1),
                nn.SiLU(),  # [N, W, S/2, S/2]
                nn.Conv2d(base_channels, 2 * base_channels, 4, 2, 1),
                nn.SiLU(),  # [N, 2W, S/4, S/4]
                nn.Flatten(),
                nn.Linear(2 * base_channels * feature_size * feature_size, hidden_dim),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden_dim, 2 * config.latent_dim))

    def forward(self, x):
        """Images [N, C, S, S] -> mean and log variance, [N, Z] each."""
        return self.layers(x).float().chunk(2, 1)


class Decoder(nn.Module):
    """z -> the parameters of p(x | z)."""

    def __init__(self, config, image_size, num_channels, params_per_value):
        super().__init__()
        hidden_dim, base_channels = config.hidden_dim, config.base_channels
        self.output_shape = (num_channels, params_per_value, image_size, image_size)
        if config.network == "mlp":
            num_outputs = num_channels * params_per_value * image_size * image_size
            layers = [
                nn.Linear(config.latent_dim, hidden_dim),
                nn.Tanh(),
                nn.Linear(hidden_dim, num_outputs),
            ]
        else:
            feature_size = _feature_size(image_size)
            layers = [
                nn.Linear(config.latent_dim, hidden_dim),
                nn.SiLU(),
                nn.Linear(hidden_dim, 2 * base_channels * feature_size * feature_size),
                nn.SiLU(),
                nn.Unflatten(1, (2 * base_channels, feature_size, feature_size)),
                nn.ConvTranspose2d(2 * base_channels, base_channels, 4, 2, 1),
                nn.SiLU(),  # [N, W, S/2, S/2]
                nn.ConvTranspose2d(base_channels, base_channels, 4, 2, 1),
                nn.SiLU(),  # [N, W, S, S]
                nn.Conv2d(base_channels, num_channels * params_per_value, 3, 1, 1),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, z):
        """Latents [N, Z] -> [N, C, S, S, P]."""
        return self.layers(z).float().reshape(-1, *self.output_shape).movedim(2, -1)


def _feature_size(image_size):
    check_image_size(
        "model.network=conv",
        image_size,
        minimum=8,
        multiple_of=4,
        alternative="--set model.network=mlp",
    )
    return image_size // 4
