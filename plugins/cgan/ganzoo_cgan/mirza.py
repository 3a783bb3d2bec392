"""The perceptrons of the founding paper.

Paper: Conditional Generative Adversarial Nets (Mirza and Osindero 2014, arXiv 1411.1784), section
4.1: G maps z to 200 and y to 1000 rectified units, both to 1200, then to the pixels. D maps x to
240 maxout units of five pieces and y to 50 of five, both to 240 of four, then to one logit. Half of
the hidden units drop out. At 28 px, grey, ten classes: 2,413,984 and 1,224,351 parameters.

What differs: G's sigmoid is stretched to [-1, 1], where our data lie; the learning rate falls by
`train.schedule` instead of the paper's factor 1.00004 an update, and momentum stays at 0.5; any
image size and any number of classes.

Shapes: N batch, Z latent, K classes, P = C * S * S pixels.
"""

import torch
from torch import nn

from ganzoo_core import Discriminator, Generator
from ganzoo_core.interfaces import one_hot


class MirzaGenerator(Generator):
    """(z, y) -> 200 + 1000 -> 1200 -> image."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.latent_dim, self.classes, self.prior = config.latent, classes, config.prior
        self.shape = (channels, size, size)
        self.of_z = nn.Sequential(nn.Linear(config.latent, 200), nn.ReLU(), nn.Dropout(0.5))
        self.of_y = nn.Sequential(nn.Linear(classes, 1000), nn.ReLU(), nn.Dropout(0.5))
        self.joint = nn.Sequential(nn.Linear(1200, 1200), nn.ReLU(), nn.Dropout(0.5))
        self.out = nn.Linear(1200, channels * size * size)

    def latent(self, noise, n):
        """Draw z [N, Z] from the prior."""
        return noise(n, self.latent_dim, kind=self.prior)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, Z] and labels [N]."""
        h = torch.cat([self.of_z(z), self.of_y(one_hot(label, self.classes, z))], 1)  # [N, 1200]
        pixels = self.out(self.joint(h)).sigmoid()  # [N, P] in [0, 1]
        return (2 * pixels - 1).unflatten(1, self.shape)


class MirzaDiscriminator(Discriminator):
    """(x, y) -> 240 + 50 maxout units -> 240 -> logit."""

    def __init__(self, config, size, channels, classes):
        super().__init__()
        self.classes = classes
        self.of_x = nn.Sequential(nn.Flatten(), Maxout(channels * size * size, 240, 5))
        self.of_y = Maxout(classes, 50, 5)
        self.drop = nn.Dropout(0.5)
        self.joint = nn.Sequential(Maxout(290, 240, 4), nn.Dropout(0.5))
        self.last = nn.Linear(240, 1)

    def features(self, image, label=None):
        """Return the units before the logit, [N, 240]."""
        y = one_hot(label, self.classes, image)
        return [self.joint(self.drop(torch.cat([self.of_x(image), self.of_y(y)], 1)))]

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S] and labels [N]."""
        return self.last(self.features(image, label)[0]).flatten()


class Maxout(nn.Module):
    """Each unit is the largest of its linear pieces (Goodfellow et al. 2013, arXiv 1302.4389)."""

    def __init__(self, inputs, units, pieces):
        super().__init__()
        self.linear, self.pieces = nn.Linear(inputs, units * pieces), pieces

    def forward(self, x):
        """[N, inputs] -> [N, units]."""
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)
