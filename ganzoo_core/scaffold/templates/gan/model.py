"""A small convolutional GAN.

Paper: Generative Adversarial Nets (Goodfellow et al. 2014, arXiv 1406.2661), with strided convs.
What differs: say here what is yours.

Shapes: N batch, Z latent, W width, S size, s = S / 8, C channels.
"""

from torch import nn

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.losses import make_loss


def down(a, b):
    """Return conv, norm, LeakyReLU: halves the edge. The norm looks at one image alone."""
    return nn.Conv2d(a, b, 4, 2, 1), nn.GroupNorm(1, b), nn.LeakyReLU(0.2)


def up(a, b):
    """Return transposed conv, BatchNorm, ReLU: doubles the edge."""
    return nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()


class MyPluginGenerator(Generator):
    """z -> S / 8 px -> doubled up to S px."""

    def __init__(self, config, info):
        super().__init__()
        self.latent_dim = config.latent
        w, s = config.width, info.size // 8
        self.layers = nn.Sequential(
            nn.Linear(config.latent, 4 * w * s * s),
            nn.Unflatten(1, (4 * w, s, s)),  # [N, 4W, s, s]
            nn.ReLU(),
            *up(4 * w, 2 * w),  # [N, 2W, 2s, 2s]
            *up(2 * w, w),  # [N, W, 4s, 4s]
            nn.ConvTranspose2d(w, info.channels, 4, 2, 1),  # [N, C, S, S]
            nn.Tanh(),
        )

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, Z]; labels are not looked at."""
        return self.layers(z)


class MyPluginDiscriminator(Discriminator):
    """S px -> halved to S / 8 px -> logit."""

    def __init__(self, config, info):
        super().__init__()
        w, s = config.width, info.size // 8
        self.layers = nn.Sequential(
            nn.Conv2d(info.channels, w, 4, 2, 1),  # [N, W, 4s, 4s]
            nn.LeakyReLU(0.2),
            *down(w, 2 * w),  # [N, 2W, 2s, 2s]
            *down(2 * w, 4 * w),  # [N, 4W, s, s]
        )
        self.last = nn.Linear(4 * w * s * s, 1)

    def features(self, image, label=None):
        """Return the maps before the logit, [N, 4W, s, s], for losses that match features."""
        return [self.layers(image)]

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S]; labels are not looked at."""
        return self.last(self.layers(image).flatten(1)).flatten()


class MyPlugin(GAN):
    """G draws an image of noise; D tells it from a real one.

    Both gradient steps are those of `ganzoo_core.GAN`: `discriminator_loss(t)` on real and
    detached fakes, then `generator_loss(t)` through the frozen D. Override either to change it.
    """

    def __init__(self, config, info):
        super().__init__(config, info)
        if info.size % 8:
            raise ValueError(f"data.size: multiples of 8, not {info.size}: --set data.size=32")
        self.generator = MyPluginGenerator(config, info)
        self.discriminator = MyPluginDiscriminator(config, info)
        self.loss = make_loss(config.loss)
