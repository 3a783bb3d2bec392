"""A GAN without BatchNorm and dropout, for which the number of ranks and of micro-batches must not
matter."""

import torch
from torch import nn

from contract_models.networks import SmallGANConfig, one_hot
from ganzoo_core import GAN, SGD, Discriminator, Generator, OptimizerSpec
from ganzoo_core.losses import Hinge


class PlainGenerator(Generator):
    """(z, y) -> image."""

    def __init__(self, info):
        super().__init__()
        self.latent_dim, self.num_classes = 6, len(info.class_names)
        conv = nn.ConvTranspose2d(6 + self.num_classes, 8, 4, 4)
        to_image = nn.ConvTranspose2d(8, info.num_channels, 4, 4)
        self.layers = nn.Sequential(conv, nn.LeakyReLU(0.2), to_image, nn.Tanh())

    def forward(self, z, label=None):
        """Return images [N, C, 16, 16]."""
        return self.layers(torch.cat([z, one_hot(label, self.num_classes)], 1)[:, :, None, None])


class PlainDiscriminator(Discriminator):
    """(image, y) -> logit, with one linear layer a class."""

    def __init__(self, info):
        super().__init__()
        conv, linear = nn.Conv2d(info.num_channels, 8, 4, 4), nn.Linear(128, len(info.class_names))
        self.layers = nn.Sequential(conv, nn.LeakyReLU(0.2), nn.Flatten(), linear)

    def forward(self, image, label=None):
        """Return logits [N]."""
        return self.layers(image).gather(1, label[:, None])[:, 0]


class PlainGAN(GAN):
    """Hinge loss with SGD, whose updates, unlike Adam's, scale with the gradient."""

    Config = SmallGANConfig
    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator = PlainGenerator(info), PlainDiscriminator(info)
        self.loss = Hinge()

    def configure_optimizers(self):
        """Return SGD with momentum for both; G has an EMA."""
        return {
            "d": OptimizerSpec(("discriminator",), SGD(lr=0.05, momentum=0.9)),
            "g": OptimizerSpec(("generator",), SGD(lr=0.05, momentum=0.9), ema_halflife=60.0),
        }
