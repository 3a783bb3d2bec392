"""The convolutional GAN.

Paper: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks
(Radford, Metz and Chintala 2015, arXiv 1511.06434): strided convs in place of pooling, BatchNorm in
both networks but for G's output and D's input, ReLU in G, LeakyReLU 0.2 in D, N(0, 0.02) weights,
Adam at 2e-4 with beta1 0.5. At 64 px with widths 64..512: 3,576,704 and 2,765,568 parameters.
Source: the report AI2100---Project by srikaran-p, which has two more:

- slides (Tables 5 and 6, preset `report-slides`): D 6-10-15-25-1 channels, G the other way round,
  Adam at 0.004 with betas (0.65, 0.999), 100 epochs. No word on z, norms or weights: z is the
  paper's, norms are as in the paper, weights are torch's own.
- notebook (its best run, preset `report-notebook`): widths 16-32-64-128, BatchNorm on every conv of
  D but the last, z ~ N(0, I) of 128, Adam at 4e-4 with betas (0.60, 0.999): 435,424 and 175,328.

What differs from the paper: 32, 64, 128 or 256 px, where maps stay at eight times the width; grey
or colour; any loss; another norm in D; and an optional average of G.

Shapes: N batch, Z latent, W width, S size.
"""

import math
from itertools import pairwise

from torch import nn

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.data.ada import make_augment
from ganzoo_core.interfaces import NORMS
from ganzoo_core.losses import make_loss

SIZES = (32, 64, 128, 256)


def widths_of(config, size):
    """Return the channels of D's convs, widest map first; [64, 128, 256, 512] at 64 px.

    Raises:
        ValueError: halving does not bring the size to 4 px, or not in so many convs.
    """
    if size not in SIZES:
        raise ValueError(
            f"data.size: dcgan draws 32, 64, 128 or 256 px, not {size}: --set data.size=64"
        )
    halvings = int(math.log2(size)) - 2
    if config.widths and len(config.widths) != halvings:
        raise ValueError(
            f"model.widths: {len(config.widths)} convs draw {4 * 2 ** len(config.widths)} px, not "
            f"{size}: --set data.size={4 * 2 ** len(config.widths)}, or give {halvings} widths"
        )
    return [*config.widths] or [config.width * min(2**i, 8) for i in range(halvings)]


class DCGenerator(Generator):
    """z -> 4 px -> doubled up to S px; BatchNorm and ReLU between, tanh at the end."""

    def __init__(self, config, size, channels):
        super().__init__()
        self.latent_dim, self.prior = config.latent, config.prior
        widths = widths_of(config, size)[::-1]  # 512 256 128 64
        layers = [*up(config.latent, widths[0], stride=1, padding=0)]  # [N, 512, 4, 4]
        for wide, narrow in pairwise(widths):
            layers += up(wide, narrow)  # [N, 256, 8, 8] .. [N, 64, 32, 32]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)  # [N, 3, 64, 64]
        begin(self, config.init)

    def latent(self, noise, n):
        """Draw z [N, Z] from the prior."""
        return noise(n, self.latent_dim, kind=self.prior)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] of latents [N, Z]; labels are not looked at."""
        return self.layers(z[:, :, None, None])


class DCDiscriminator(Discriminator):
    """S px -> halved down to 4 px -> logit; norm and LeakyReLU between."""

    def __init__(self, config, size, channels):
        super().__init__()
        norm, options = NORMS[config.discriminator.norm], config.discriminator
        widths = [channels, *widths_of(config, size)]
        layers = []
        for i, (a, b) in enumerate(pairwise(widths)):  # [N, 64, 32, 32] .. [N, 512, 4, 4]
            layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False)]
            layers += [norm(b)] if i or options.first else []
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False)
        self.std = config.init
        self.begin()

    def begin(self):
        """Draw the weights as at the start."""
        super().begin()
        begin(self, self.std)

    def features(self, image, label=None):
        """Return the maps before the logit, [N, 8W, 4, 4]."""
        return [self.layers(image)]

    def forward(self, image, label=None):
        """Return logits [N] of images [N, C, S, S]."""
        return self.last(self.layers(image)).flatten()


def up(a, b, stride=2, padding=1):
    """Return transposed conv, BatchNorm, ReLU: doubles the edge."""
    conv = nn.ConvTranspose2d(a, b, 4, stride, padding, bias=False)
    return conv, nn.BatchNorm2d(b), nn.ReLU()


def begin(net, std):
    """Draw convs from N(0, std) and the scales of norms from N(1, std), as the paper says; leave
    torch's own weights where std is None."""
    for module in net.modules() if std else ():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, std)
        elif getattr(module, "weight", None) is not None:
            nn.init.normal_(module.weight, 1, std)
            nn.init.zeros_(module.bias)


class DCGAN(GAN):
    """G draws an image of noise; D tells it from a real one.

    Both gradient steps are those of `ganzoo_core.GAN`: D on real and detached fakes, then G
    through the frozen D.
    """

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator = DCGenerator(config, info.size, info.channels)
        self.discriminator = DCDiscriminator(config, info.size, info.channels)
        self.augment = make_augment(config.augment)
        self.loss = make_loss(config.loss)
