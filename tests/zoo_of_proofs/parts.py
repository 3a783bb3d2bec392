"""Small networks for 16 px images, shared by the proofs."""

import torch
from torch import nn

from ganzoo_core import Adam, Discriminator, GANConfig, Generator


class Small(GANConfig):
    """What `GAN` reads from a configuration."""

    optim_d: Adam = Adam(lr=1e-2)
    optim_g: Adam = Adam(lr=1e-2)
    ema: float | None = 60.0
    epochs: float = 1


def one_hot(label, classes):
    """Return [N, K]; torch's own reads the labels back on a CPU, to check them."""
    return torch.eye(classes, device=label.device)[label]


def down(channels, width, out):
    """[N, C, 16, 16] -> [N, out]."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, width, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(width * 16, out),
    )


def up(latent, width, channels):
    """[N, latent, 1, 1] -> [N, C, 16, 16]."""
    return nn.Sequential(
        nn.ConvTranspose2d(latent, width, 4, 4),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, channels, 4, 4),
        nn.Tanh(),
    )


class SmallG(Generator):
    """(z, y) -> image."""

    def __init__(self, info, latent=8, classes=0):
        super().__init__()
        self.latent_dim, self.classes = latent, classes
        self.layers = up(latent + classes, 8, info.channels)

    def forward(self, z, label=None):
        """Return images [N, C, 16, 16]."""
        if self.classes:
            z = torch.cat([z, one_hot(label, self.classes).to(z)], 1)
        return self.layers(z[:, :, None, None])


class SmallD(Discriminator):
    """Image -> logit."""

    def __init__(self, info):
        super().__init__()
        self.layers = down(info.channels, 8, 1)

    def forward(self, image, label=None):
        """Return logits [N]."""
        return self.layers(image).flatten()
