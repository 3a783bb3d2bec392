"""SNGAN with a projection discriminator: spectral normalization bounds every layer of D.

Papers:

- Spectral Normalization for Generative Adversarial Networks (Miyato et al. 2018, arXiv 1802.05957):
  the residual networks for CIFAR-10.
- cGANs with Projection Discriminator (Miyato and Koyama 2018, arXiv 1802.05637): conditional
  BatchNorm in G; D adds the inner product of the class embedding and the pooled features.

The details are those of the authors' code for CIFAR-10, pfnet-research/sngan_projection.

Differs from the papers:

| | papers | here |
|---|---|---|
| image size | 32 px | each doubling adds a block of half the channels to each network |
| labels of the fakes | uniform | those of the real batch, equal for data of balanced classes |
| real images | uniform noise of one 8-bit step is added | as they are |
| power iteration | starts at the first update | starts at initialization, which bounds eval |

Shapes: N batch, Z latent, W channels of G, V channels of D, S image size.
"""

from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import relu
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import GeneratorOutput
from ganzoo_core.layers import (
    ConditionalBatchNorm2d,
    ResidualUpBlock,
    channels_by_resolution,
    check_image_size,
    init_xavier,
    residual_discriminator_blocks,
)
from ganzoo_core.losses import make_heads, make_loss

_BATCHNORM_EPS = 2e-5  # Chainer's


def _init_weights(network):
    """Initialize by Xavier uniform, with gain sqrt(2) in the 3x3 convs of residual blocks."""
    init_xavier(network)
    for block in network.blocks:
        init_xavier(block.conv1, 2**0.5)
        init_xavier(block.conv2, 2**0.5)


class SNGenerator(Generator):
    """z -> 4 px -> residual blocks that upsample to S px."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim = config.latent_dim
        channels = channels_by_resolution(config.g_channels, image_size)
        norm = partial(ConditionalBatchNorm2d, num_classes=num_classes, eps=_BATCHNORM_EPS)
        self.stem = nn.Linear(config.latent_dim, channels[0] * 16)
        self.blocks = nn.ModuleList(ResidualUpBlock(a, b, norm) for a, b in pairwise(channels))
        self.norm = nn.BatchNorm2d(channels[-1], eps=_BATCHNORM_EPS)
        self.head = nn.Conv2d(channels[-1], num_channels, 3, 1, 1)
        _init_weights(self)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and labels [N]."""
        h = self.stem(z).unflatten(1, (-1, 4, 4))  # [N, W, 4, 4]
        for block in self.blocks:
            h = block(h, label)  # [N, W, 8, 8] .. [N, W, 32, 32], [N, W/2, 64, 64]
        return torch.tanh(self.head(relu(self.norm(h))))


class SNDiscriminator(Discriminator):
    """Blocks down to 8 px, two more at 8 px, sum pooling, then a linear layer plus projection."""

    def __init__(self, config, image_size, num_channels, num_classes, terms):
        super().__init__()
        v, num_projected = config.d_channels, num_classes * config.projection
        self.uses_label = bool(num_projected)
        self.blocks = residual_discriminator_blocks(num_channels, v, image_size)
        self.head = spectral_norm(nn.Linear(v, 1, bias=False))
        self.class_embed = spectral_norm(nn.Embedding(num_classes, v)) if num_projected else None
        self.heads = make_heads(terms, v, num_classes, spectral_norm)
        _init_weights(self)

    def reset_parameters(self):
        """Initialize the weights again."""
        _init_weights(self)

    def features(self, image, label=None):
        """Return the maps before the pooling, a list of one tensor [N, V, 8, 8]."""
        return [relu(self.blocks(image))]

    def pooled(self, image):
        """Return the sums [N, V] of the maps before the pooling."""
        return self.features(image)[0].sum((2, 3))

    def logit(self, features, label=None):
        """Return logits [N] from pooled features [N, V] and labels [N]."""
        logit = self.head(features).flatten()
        if self.class_embed is None:
            return logit
        return logit + (self.class_embed(label) * features).sum(1)

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        return self.logit(self.pooled(image), label)


class SNGAN(GAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set the hinge loss. An update of G
    has `g_batch_factor` fakes for each real image."""

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size("sngan", info.image_size, minimum=32, suggestion=32)
        self.conditional = bool(info.class_names)
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = SNGenerator(config, *shape)
        self.discriminator = SNDiscriminator(config, *shape, self.terms)
        self.loss = make_loss(config.loss)

    def stages(self):
        """Return one stage; refuse more fakes than real images for a loss of pairs, and for terms
        that use the z of the fakes."""
        if self.config.g_batch_factor > 1 and self.loss.needs_real_logits:
            raise UsageError(
                "model.g_batch_factor: this loss compares each fake with one real image: "
                "--set model.g_batch_factor=1"
            )
        if self.config.g_batch_factor > 1 and self.active_terms().uses_latent:
            raise UsageError(
                "model.g_batch_factor: a term uses the z of the fakes, one for each real image: "
                "--set model.g_batch_factor=1"
            )
        return super().stages()

    def forward_generator(self, ctx):
        """Return what D receives and returns in G's phase, for fakes [factor N, C, S, S]."""
        factor = self.config.g_batch_factor
        if factor == 1:
            return super().forward_generator(ctx)
        label = self.fake_labels(ctx)
        label = None if label is None else label.repeat_interleave(factor)
        fake_images = self.generate(factor * len(ctx.batch), label, ctx)
        fake_images = self.augment_for_d(fake_images, ctx)
        heads = self.active_terms().heads
        (logits,), outputs = self.discriminator.forward_heads(fake_images, [label], heads)
        return GeneratorOutput(fake_images, label, logits, fake_heads=outputs)
