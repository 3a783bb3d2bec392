"""SAGAN: self-attention in both networks, spectral norm in G too, and two learning rates.

Paper: Self-Attention Generative Adversarial Networks (Zhang, Goodfellow, Metaxas and Odena 2019,
arXiv 1805.08318). The residual networks of SNGAN with a projection discriminator get a layer of
self-attention at 32 px. The details are those of the authors' code,
brain-research/self-attention-gan.

Differs from the paper:

| | paper | here |
|---|---|---|
| image size | 128 px | 32 to 512 px; attention at no more than half of it |
| labels of the fakes | uniform | those of the real batch, equal for data of balanced classes |
| power iteration | starts at the first update | starts at initialization, which bounds eval |

Shapes: N batch, Z latent, S image size, C image channels.
"""

from functools import partial

from ganzoo_biggan.networks import (
    AttentionGAN,
    ProjectionDiscriminator,
    ResidualGenerator,
    residual_blocks,
)
from ganzoo_core.layers import ConditionalBatchNorm2d, add_spectral_norm, init_xavier

_BATCHNORM_EPS = 1e-5


class SAGenerator(ResidualGenerator):
    """z -> 4 px -> blocks with a BatchNorm for each class, self-attention -> image."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim = config.latent_dim
        norm = partial(ConditionalBatchNorm2d, num_classes=num_classes, eps=_BATCHNORM_EPS)
        shape = (config, image_size, num_channels)
        self.build(*shape, stem_dim=config.latent_dim, norm=norm, eps=_BATCHNORM_EPS)
        add_spectral_norm(self)
        init_xavier(self)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and labels [N]."""
        return self.synthesize(z, [label] * len(self.blocks))


class SADiscriminator(ProjectionDiscriminator):
    """Blocks down to 4 px with self-attention, sum pooling, a linear layer plus projection."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.blocks = add_spectral_norm(residual_blocks(config, image_size, num_channels))
        self.build_head(self.blocks[-1].conv2.out_channels, num_classes)
        self.init()

    def init(self):
        """Initialize all weights by Xavier uniform."""
        init_xavier(self)


class SAGAN(AttentionGAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set the hinge loss."""

    model_name = "sagan"
    generator_class, discriminator_class = SAGenerator, SADiscriminator
