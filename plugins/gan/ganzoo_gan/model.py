"""The first GAN.

Paper: Generative Adversarial Nets (Goodfellow et al. 2014, arXiv 1406.2661): a generator of
rectified units, a discriminator of maxout units with dropout, k steps of D for each of G
(`model.d_steps`), and two objectives for G: the minimax game, log(1 - D(G(z))), whose gradient
vanishes where D wins (`model.loss.kind=minimax`, preset `paper-minimax`), and the one to train
with, -log D(G(z)) (`bce`, the default). On MNIST at 28 px: 2,503,984 and 1,231,441 parameters.

What differs: G's sigmoid is stretched to [-1, 1], where our data lie; the learning rate falls by
`train.schedule` instead of a factor an update, and momentum stays at 0.5; any size, grey or colour.

Shapes: N batch, Z latent, P = C * S * S pixels.
"""

from torch import nn

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.data.ada import make_augment
from ganzoo_core.losses import make_loss


class FirstGenerator(Generator):
    """z -> 1200 -> 1200 -> image."""

    def __init__(self, config, size, channels):
        super().__init__()
        self.latent_dim, self.prior = config.latent, config.prior
        self.shape = (channels, size, size)
        self.layers = nn.Sequential(
            nn.Linear(config.latent, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, channels * size * size),
            nn.Sigmoid(),
        )

    def latent(self, noise, n):
        """Draw z [N, Z] from the prior."""
        return noise(n, self.latent_dim, kind=self.prior)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, Z]; labels are not looked at."""
        pixels = self.layers(z)  # [N, P] in [0, 1]
        return (2 * pixels - 1).unflatten(1, self.shape)


class FirstDiscriminator(Discriminator):
    """image -> 240 maxout units -> 240 -> logit."""

    def __init__(self, config, size, channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            Maxout(channels * size * size, config.units, config.pieces),
            nn.Dropout(config.dropout),
            Maxout(config.units, config.units, config.pieces),
            nn.Dropout(config.dropout),
        )
        self.last = nn.Linear(config.units, 1)

    def features(self, image, label=None):
        """Return the units before the logit, [N, 240]."""
        return [self.layers(image)]

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S]."""
        return self.last(self.layers(image)).flatten()


class Maxout(nn.Module):
    """Each unit is the largest of its linear pieces (Goodfellow et al. 2013, arXiv 1302.4389)."""

    def __init__(self, inputs, units, pieces):
        super().__init__()
        self.linear, self.pieces = nn.Linear(inputs, units * pieces), pieces

    def forward(self, x):
        """[N, inputs] -> [N, units]."""
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


class FirstGAN(GAN):
    """G draws an image of noise; D tells it from a real one.

    Both gradient steps are those of `ganzoo_core.GAN`: D on real and detached fakes, then G
    through the frozen D.
    """

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator = FirstGenerator(config, info.size, info.channels)
        self.discriminator = FirstDiscriminator(config, info.size, info.channels)
        self.augment = make_augment(config.augment)
        self.loss = make_loss(config.loss)
