"""GANs without BatchNorm and dropout: what two ranks, or two micro-batches, must do as one does."""

import torch
from torch import nn

from ganzoo_core import GAN, SGD, Discriminator, Generator, Player
from ganzoo_core.losses import Hinge
from zoo_of_proofs.parts import Small, one_hot


class PlainG(Generator):
    """(z, y) -> image."""

    def __init__(self, info):
        super().__init__()
        self.latent_dim, self.classes = 6, len(info.classes)
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(6 + self.classes, 8, 4, 4),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(8, info.channels, 4, 4),
            nn.Tanh(),
        )

    def forward(self, z, label=None):
        """Return images [N, C, 16, 16]."""
        return self.layers(torch.cat([z, one_hot(label, self.classes)], 1)[:, :, None, None])


class PlainD(Discriminator):
    """(image, y) -> logit, by a linear map a class."""

    def __init__(self, info):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(info.channels, 8, 4, 4),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(128, len(info.classes)),
        )

    def forward(self, image, label=None):
        """Return logits [N]."""
        return self.layers(image).gather(1, label[:, None])[:, 0]


class PlainGAN(GAN):
    """Hinge, by SGD, whose steps grow with the gradient as Adam's do not."""

    Config = Small
    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator, self.loss = PlainG(info), PlainD(info), Hinge()

    def players(self):
        """Both by momentum; G averaged."""
        return {
            "d": Player(("discriminator",), SGD(lr=0.05, momentum=0.9)),
            "g": Player(("generator",), SGD(lr=0.05, momentum=0.9), ema=60.0),
        }
