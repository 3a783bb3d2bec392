"""Vanilla GAN: perceptrons.

Paper: Generative Adversarial Nets (Goodfellow et al. 2014, arXiv 1406.2661).
G has rectified units; D has maxout units with dropout. D is updated k times for each update of G
(`model.d_updates`). At 28 px, grayscale: 2,503,984 and 1,231,441 parameters.

G has two objectives:

- `model.loss.kind=bce` (the default): -log D(G(z)), which the paper trains with.
- `model.loss.kind=minimax` (preset `paper-minimax`): log(1 - D(G(z))). Its gradient vanishes where
  D classifies the fakes with confidence.

Differs from the paper:

| | paper | here |
|---|---|---|
| output of G | sigmoid, [0, 1] | sigmoid scaled to [-1, 1], the range of the images |
| initial weights | uniform, with a range for each layer | torch's defaults |
| learning rate | a constant factor after each update | `train.lr_scheduler` |
| momentum | increases in training | 0.5 throughout |
| images | MNIST, TFD, CIFAR-10 | any size, grayscale or color |

Shapes: N batch, Z latent, H hidden units, M maxout units, P = C * S * S pixels.
"""

from torch import nn

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.data.ada import make_augment
from ganzoo_core.layers import Maxout
from ganzoo_core.losses import make_loss


class VanillaGenerator(Generator):
    """z -> 1200 -> 1200 -> image."""

    def __init__(self, config, image_size, num_channels):
        super().__init__()
        self.latent_dim, self.prior = config.latent_dim, config.prior
        self.image_shape = (num_channels, image_size, image_size)
        num_pixels = num_channels * image_size * image_size
        self.layers = nn.Sequential(
            nn.Linear(config.latent_dim, config.hidden_dim),  # [N, H]
            nn.ReLU(),
            nn.Linear(config.hidden_dim, config.hidden_dim),
            nn.ReLU(),
            nn.Linear(config.hidden_dim, num_pixels),  # [N, P]
            nn.Sigmoid(),
        )

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z]. Ignores labels."""
        pixels = self.layers(z)  # [N, P] in [0, 1]
        return (2 * pixels - 1).unflatten(1, self.image_shape)


class VanillaDiscriminator(Discriminator):
    """image -> 240 maxout units -> 240 -> logit."""

    def __init__(self, config, image_size, num_channels):
        super().__init__()
        num_pixels = num_channels * image_size * image_size
        units, pieces = config.maxout_units, config.maxout_pieces
        self.body = nn.Sequential(
            nn.Flatten(),  # [N, P]
            nn.Dropout(config.dropout),
            Maxout(num_pixels, units, pieces),  # [N, M]
            nn.Dropout(config.dropout),
            Maxout(units, units, pieces),
            nn.Dropout(config.dropout),
        )
        self.head = nn.Linear(units, 1)

    def features(self, image, label=None):
        """Return the units before the logit, a list of one tensor [N, M]."""
        return [self.body(image)]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S]."""
        return self.head(self.body(image)).flatten()


class VanillaGAN(GAN):
    """G maps noise to images; D classifies images as real or generated.

    `ganzoo_core.GAN` has both losses: D is trained on real images and detached fakes, then G
    through the frozen D.
    """

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator = VanillaGenerator(config, info.image_size, info.num_channels)
        self.discriminator = VanillaDiscriminator(config, info.image_size, info.num_channels)
        self.augment = make_augment(config.augment)
        self.loss = make_loss(config.loss)
