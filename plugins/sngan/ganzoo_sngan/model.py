"""SNGAN with a projection discriminator: spectral normalization bounds every layer of D.

Papers:

- Spectral Normalization for Generative Adversarial Networks (Miyato et al. 2018, arXiv 1802.05957):
  the residual networks for CIFAR-10.
- cGANs with Projection Discriminator (Miyato and Koyama 2018, arXiv 1802.05637): conditional
  BatchNorm in G; D adds the inner product of the class embedding and the pooled features.

Differs from the papers:

| | papers | here |
|---|---|---|
| image size | 32 px | each doubling adds a block of half the channels to each network |
| data without classes | - | plain BatchNorm in G, no projection in D |

Shapes: N batch, Z latent, W channels of G, V channels of D, S image size.
"""

from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import relu
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.layers import (
    ConditionalBatchNorm2d,
    ResidualUpBlock,
    channels_by_resolution,
    check_image_size,
    init_xavier,
    residual_discriminator_blocks,
)
from ganzoo_core.losses import make_loss


class SNGenerator(Generator):
    """z -> 4 px -> residual blocks that upsample to S px."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim = config.latent_dim
        channels = channels_by_resolution(config.g_channels, image_size)
        norm = partial(ConditionalBatchNorm2d, num_classes=num_classes)
        self.stem = nn.Linear(config.latent_dim, channels[0] * 16)
        self.blocks = nn.ModuleList(ResidualUpBlock(a, b, norm) for a, b in pairwise(channels))
        self.norm = nn.BatchNorm2d(channels[-1])
        self.head = nn.Conv2d(channels[-1], num_channels, 3, 1, 1)
        init_xavier(self)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and labels [N]."""
        h = self.stem(z).unflatten(1, (-1, 4, 4))  # [N, W, 4, 4]
        for block in self.blocks:
            h = block(h, label)  # [N, W, 8, 8] .. [N, W, 32, 32], [N, W/2, 64, 64]
        return torch.tanh(self.head(relu(self.norm(h))))


class SNDiscriminator(Discriminator):
    """Blocks down to 8 px, two more at 8 px, sum pooling, then a linear layer plus projection."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        v = config.d_channels
        self.blocks = residual_discriminator_blocks(num_channels, v, image_size)
        self.head = spectral_norm(nn.Linear(v, 1))
        self.class_embed = spectral_norm(nn.Embedding(num_classes, v)) if num_classes else None
        init_xavier(self)

    def reset_parameters(self):
        """Initialize the weights again."""
        init_xavier(self)

    def features(self, image, label=None):
        """Return the maps before the pooling, a list of one tensor [N, V, 8, 8]."""
        return [relu(self.blocks(image))]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        h = self.features(image)[0].sum((2, 3))  # [N, V]
        logit = self.head(h).flatten()
        return logit if self.class_embed is None else logit + (self.class_embed(label) * h).sum(1)


class SNGAN(GAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set the hinge loss."""

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("sngan", info.image_size, minimum=32, suggestion=32)
        self.conditional = bool(info.class_names)
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = SNGenerator(config, *shape)
        self.discriminator = SNDiscriminator(config, *shape)
        self.loss = make_loss(config.loss)
