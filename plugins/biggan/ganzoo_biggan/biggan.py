"""BigGAN: larger networks and batches, a chunk of z in every block, orthogonal weights, truncation.

Paper: Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock, Donahue and
Simonyan 2019, arXiv 1809.11096). SAGAN's networks, wider. Each block of G is conditioned on a class
embedding that all blocks share, and on its own chunk of z (skip-z). Samples have two options:
`truncation` of z, and `standing_batches`, the statistics of BatchNorm over new fakes. The details
are those of the authors' code, ajbrock/BigGAN-PyTorch. Without labels (`conditional=false`) blocks
receive their chunk of z only.

Differs from the paper:

| | paper | here |
|---|---|---|
| image size | 128, 256 and 512 px | 32 and 64 px too, with StudioGAN's channels |
| labels of the fakes | uniform | those of the real batch, equal for data of balanced classes |
| average of G | a constant decay | the half-life rises in the first images |

Shapes: N batch, Z chunk of z, A condition (class embedding and chunk), S image size, C image
channels.
"""

from functools import partial

import torch
from torch import nn

from ganzoo_biggan.networks import (
    CHANNEL_FACTORS,
    AttentionGAN,
    ProjectionDiscriminator,
    ResidualGenerator,
    residual_blocks,
)
from ganzoo_core.layers import LinearConditionalBatchNorm2d, add_spectral_norm, init_orthogonal

BATCHNORM_EPS = 1e-4


class BigGenerator(ResidualGenerator):
    """First chunk of z -> 4 px -> blocks, each with the class and a chunk of z -> image."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        chunk_dim = config.latent_chunk_dim
        self.latent_dim = chunk_dim * len(CHANNEL_FACTORS[image_size])
        cond_dim = chunk_dim + (config.class_embed_dim if num_classes else 0)
        norm = partial(LinearConditionalBatchNorm2d, cond_dim=cond_dim, eps=BATCHNORM_EPS)
        shape = (config, image_size, num_channels)
        self.build(*shape, stem_dim=chunk_dim, norm=norm, eps=BATCHNORM_EPS)
        add_spectral_norm(self)
        self.class_embed = (
            nn.Embedding(num_classes, config.class_embed_dim) if num_classes else None
        )
        init_orthogonal(self)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, 6Z] (at 128 px) and labels [N]."""
        stem_z, *conds = z.chunk(len(self.blocks) + 1, 1)  # each [N, Z]
        if self.class_embed is not None:
            y = self.class_embed(label)
            conds = [torch.cat([y, chunk], 1) for chunk in conds]  # each [N, A]
        return self.synthesize(stem_z, conds)


class BigDiscriminator(ProjectionDiscriminator):
    """Blocks down to 4 px with self-attention, sum pooling, a linear layer plus projection."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.blocks = add_spectral_norm(residual_blocks(config, image_size, num_channels))
        self.build_head(self.blocks[-1].conv2.out_channels, num_classes)
        self.init()

    def init(self):
        """Initialize all weights orthogonally."""
        init_orthogonal(self)


class BigGAN(AttentionGAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set the hinge loss."""

    model_name = "biggan"
    generator_class, discriminator_class = BigGenerator, BigDiscriminator
