"""Conditional GAN of perceptrons (`mlp-cgan`).

Paper: Conditional Generative Adversarial Nets (Mirza and Osindero 2014, arXiv 1411.1784), section
4.1. G maps z to 200 and y to 1000 rectified units, both to 1200, then to the pixels. D maps x to
240 maxout units of five pieces and y to 50 of five, both to 240 of four, then to one logit. The
hidden units have dropout 0.5. At 28 px, grayscale, ten classes: 2,413,984 and 1,224,351 parameters.

Differs from the paper:

| | paper | here |
|---|---|---|
| output of G | sigmoid, [0, 1] | sigmoid scaled to [-1, 1], the range of the images |
| initial weights | uniform, with a range for each layer | torch's defaults |
| learning rate | divided by 1.00004 after each update | `train.lr_scheduler` |
| momentum | increases in training | 0.5 throughout |
| images and classes | MNIST | any image size and any number of classes |

Shapes: N batch, Z latent, K classes, P = C * S * S pixels.
"""

import torch
from torch import nn

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.data.ada import make_augment
from ganzoo_core.layers import Maxout, one_hot
from ganzoo_core.losses import make_loss


class MLPGenerator(Generator):
    """(z, y) -> 200 + 1000 -> 1200 -> image."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim, self.num_classes, self.prior = config.latent_dim, num_classes, config.prior
        self.image_shape = (num_channels, image_size, image_size)
        self.z_proj = nn.Sequential(nn.Linear(config.latent_dim, 200), nn.ReLU(), nn.Dropout(0.5))
        self.y_proj = nn.Sequential(nn.Linear(num_classes, 1000), nn.ReLU(), nn.Dropout(0.5))
        self.body = nn.Sequential(nn.Linear(1200, 1200), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(1200, num_channels * image_size * image_size)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and labels [N]."""
        y = one_hot(label, self.num_classes, z)  # [N, K]
        h = torch.cat([self.z_proj(z), self.y_proj(y)], 1)  # [N, 1200]
        pixels = self.head(self.body(h)).sigmoid()  # [N, P] in [0, 1]
        return (2 * pixels - 1).unflatten(1, self.image_shape)


class MLPDiscriminator(Discriminator):
    """(x, y) -> 240 + 50 maxout units -> 240 -> logit."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.num_classes = num_classes
        num_pixels = num_channels * image_size * image_size
        self.x_proj = nn.Sequential(nn.Flatten(), Maxout(num_pixels, 240, 5))
        self.y_proj = Maxout(num_classes, 50, 5)
        self.dropout = nn.Dropout(0.5)
        self.body = nn.Sequential(Maxout(290, 240, 4), nn.Dropout(0.5))
        self.head = nn.Linear(240, 1)

    def features(self, image, label=None):
        """Return the units before the logit, a list of one tensor [N, 240]."""
        y = one_hot(label, self.num_classes, image)  # [N, K]
        h = torch.cat([self.x_proj(image), self.y_proj(y)], 1)  # [N, 290]
        return [self.body(self.dropout(h))]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        return self.head(self.features(image, label)[0]).flatten()


class MLPCGAN(GAN):
    """G maps noise and a class to an image; D classifies (image, class) as real or generated.

    Both losses are those of `ganzoo_core.GAN`.
    """

    conditional = True

    def __init__(self, config, info):
        super().__init__(config, info)
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = MLPGenerator(config, *shape)
        self.discriminator = MLPDiscriminator(config, *shape)
        self.augment = make_augment(config.augment)
        self.loss = make_loss(config.loss)
