"""A small convolutional GAN.

Paper: Generative Adversarial Nets (Goodfellow et al. 2014, arXiv 1406.2661), with strided convs.
Differences: describe yours here.

Shapes: N batch, Z latent, B base channels, S image size, s = S / 8, C image channels.
"""

from torch import nn

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.layers import check_image_size
from ganzoo_core.losses import make_loss


def downsample_block(in_channels, out_channels):
    """Conv, GroupNorm of one group (statistics of one image), LeakyReLU: half the resolution."""
    conv = nn.Conv2d(in_channels, out_channels, 4, 2, 1)
    return conv, nn.GroupNorm(1, out_channels), nn.LeakyReLU(0.2)


def upsample_block(in_channels, out_channels):
    """Transposed conv, BatchNorm, ReLU: twice the resolution."""
    conv = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1)
    return conv, nn.BatchNorm2d(out_channels), nn.ReLU()


class MyPluginGenerator(Generator):
    """z -> [s, s] -> three upsampling layers -> image."""

    def __init__(self, config, info):
        super().__init__()
        self.latent_dim = config.latent_dim
        b, s = config.base_channels, info.image_size // 8
        self.layers = nn.Sequential(
            nn.Linear(config.latent_dim, 4 * b * s * s),
            nn.Unflatten(1, (4 * b, s, s)),  # [N, 4B, s, s]
            nn.ReLU(),
            *upsample_block(4 * b, 2 * b),  # [N, 2B, 2s, 2s]
            *upsample_block(2 * b, b),  # [N, B, 4s, 4s]
            nn.ConvTranspose2d(b, info.num_channels, 4, 2, 1),  # [N, C, S, S]
            nn.Tanh(),
        )

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from z [N, Z]; labels are ignored."""
        return self.layers(z)


class MyPluginDiscriminator(Discriminator):
    """Image -> three downsampling layers -> [s, s] -> logit."""

    def __init__(self, config, info):
        super().__init__()
        b, s = config.base_channels, info.image_size // 8
        self.layers = nn.Sequential(
            nn.Conv2d(info.num_channels, b, 4, 2, 1),  # [N, B, 4s, 4s]
            nn.LeakyReLU(0.2),
            *downsample_block(b, 2 * b),  # [N, 2B, 2s, 2s]
            *downsample_block(2 * b, 4 * b),  # [N, 4B, s, s]
        )
        self.head = nn.Linear(4 * b * s * s, 1)

    def features(self, image, label=None):
        """Return the feature maps [N, 4B, s, s] for feature matching."""
        return [self.layers(image)]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S]; labels are ignored."""
        return self.head(self.layers(image).flatten(1)).flatten()


class MyPlugin(GAN):
    """G maps z to images; D classifies images as real or fake.

    Both losses are those of `ganzoo_core.GAN`: `discriminator_loss(ctx)` on real images and
    detached fakes, `generator_loss(ctx)` through the frozen D. Override them for others.
    """

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("my-plugin", info.image_size, minimum=8, multiple_of=8)
        self.generator = MyPluginGenerator(config, info)
        self.discriminator = MyPluginDiscriminator(config, info)
        self.loss = make_loss(config.loss)
