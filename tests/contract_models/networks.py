"""Small networks for 16 px images."""

import torch
from torch import nn

from ganzoo_core import Adam, Discriminator, GANConfig, Generator
from ganzoo_core.config import OptimizerChoice


class SmallGANConfig(GANConfig):
    """The options of a small GAN."""

    optim_d: OptimizerChoice = Adam(lr=1e-2)
    optim_g: OptimizerChoice = Adam(lr=1e-2)
    ema_halflife_images: float | None = 60.0
    epochs: float = 1


def one_hot(label, num_classes):
    """Return [N, K]; torch's own function reads the labels back to check them."""
    return torch.eye(num_classes, device=label.device)[label]


def conv_encoder(in_channels, hidden_channels, out_features):
    """[N, C, 16, 16] -> [N, out_features]."""
    return nn.Sequential(
        nn.Conv2d(in_channels, hidden_channels, 4, 2, 1),
        nn.BatchNorm2d(hidden_channels),
        nn.LeakyReLU(0.2),
        nn.Conv2d(hidden_channels, hidden_channels, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(hidden_channels * 16, out_features),
    )


def conv_decoder(latent_dim, hidden_channels, out_channels):
    """[N, latent_dim, 1, 1] -> [N, C, 16, 16]."""
    return nn.Sequential(
        nn.ConvTranspose2d(latent_dim, hidden_channels, 4, 4),
        nn.BatchNorm2d(hidden_channels),
        nn.ReLU(),
        nn.ConvTranspose2d(hidden_channels, out_channels, 4, 4),
        nn.Tanh(),
    )


class SmallGenerator(Generator):
    """(z, y) -> image."""

    def __init__(self, info, latent_dim=8, num_classes=0):
        super().__init__()
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.layers = conv_decoder(latent_dim + num_classes, 8, info.num_channels)

    def forward(self, z, label=None):
        """Return images [N, C, 16, 16]."""
        if self.num_classes:
            z = torch.cat([z, one_hot(label, self.num_classes).to(z)], 1)
        return self.layers(z[:, :, None, None])


class SmallDiscriminator(Discriminator):
    """Image -> logit."""

    def __init__(self, info):
        super().__init__()
        self.layers = conv_encoder(info.num_channels, 8, 1)

    def forward(self, image, label=None):
        """Return logits [N]."""
        return self.layers(image).flatten()
