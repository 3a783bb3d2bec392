"""BigGAN-deep: two bottleneck blocks for each of BigGAN's, and all of z in every block.

Paper: Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock, Donahue and
Simonyan 2019, arXiv 1809.11096), appendix B. A block has 1x1, 3x3, 3x3 and 1x1 convs with a quarter
of the channels between the 1x1 convs. Its shortcut has no weights where channels fall: G drops the
last ones. D appends new ones, from a 1x1 conv. The condition is z and the class embedding. The
details are those of the authors' code, ajbrock/BigGAN-PyTorch, and of the released weights,
huggingface/pytorch-pretrained-BigGAN.

Differs from the paper:

| | paper | here |
|---|---|---|
| image size | 128, 256 and 512 px | 32 and 64 px too, with StudioGAN's channels |
| labels of the fakes | uniform | those of the real batch, equal for data of balanced classes |
| average of G | a constant decay | the half-life rises in the first images |

Shapes: N batch, Z latent, A condition (class embedding and z), S image size, C image channels.
"""

from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from ganzoo_biggan.networks import (
    CHANNEL_FACTORS,
    AttentionGAN,
    ProjectionDiscriminator,
    ResidualGenerator,
    attention_size,
)
from ganzoo_core.layers import (
    LinearConditionalBatchNorm2d,
    SelfAttention2d,
    add_spectral_norm,
    init_orthogonal,
)

_BATCHNORM_EPS = 1e-4
_BOTTLENECK = 4
"""Channels of a block divided by those between its 1x1 convs."""


def _bottleneck_convs(in_channels, hidden_channels, out_channels):
    """Return 1x1, 3x3, 3x3 and 1x1 convs."""
    return nn.ModuleList(
        nn.Conv2d(a, b, kernel_size, padding=kernel_size // 2)
        for a, b, kernel_size in (
            (in_channels, hidden_channels, 1),
            (hidden_channels, hidden_channels, 3),
            (hidden_channels, hidden_channels, 3),
            (hidden_channels, out_channels, 1),
        )
    )


class DeepUpBlock(nn.Module):
    """Four convs, each after norm and ReLU; upsampling before the second. The shortcut drops the
    last channels."""

    def __init__(self, in_channels, out_channels, norm, *, upsample):
        super().__init__()
        hidden_channels = in_channels // _BOTTLENECK
        self.convs = _bottleneck_convs(in_channels, hidden_channels, out_channels)
        self.norms = nn.ModuleList(norm(conv.in_channels) for conv in self.convs)
        self.out_channels, self.scale_factor = out_channels, 2 if upsample else 1

    def forward(self, x, cond):
        """Return maps [N, out_channels, 2h, 2w], or [N, out_channels, h, w]."""
        h = x
        for i, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            h = relu(norm(h, cond))
            h = conv(self._upsample(h) if i == 1 else h)
        return h + self._upsample(x[:, : self.out_channels])

    def _upsample(self, x):
        return x if self.scale_factor == 1 else interpolate(x, scale_factor=self.scale_factor)


class DeepDownBlock(nn.Module):
    """Four convs, each after ReLU; pooling before the last. The shortcut appends channels by a 1x1
    conv."""

    def __init__(self, in_channels, out_channels, *, downsample):
        super().__init__()
        self.convs = _bottleneck_convs(in_channels, out_channels // _BOTTLENECK, out_channels)
        new_channels = out_channels - in_channels
        self.shortcut = nn.Conv2d(in_channels, new_channels, 1) if new_channels else None
        self.downsample = downsample

    def forward(self, x):
        """Return maps [N, out_channels, h/2, w/2], or [N, out_channels, h, w]."""
        h = x
        for conv in self.convs[:-1]:
            h = conv(relu(h))
        h = self.convs[-1](self._pool(relu(h)))
        x = self._pool(x)
        return h + (x if self.shortcut is None else torch.cat([x, self.shortcut(x)], 1))

    def _pool(self, x):
        return avg_pool2d(x, 2) if self.downsample else x


class BigDeepGenerator(ResidualGenerator):
    """[class embedding, z] -> 4 px -> pairs of blocks, each with the class and z -> image."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim = config.latent_dim
        cond_dim = config.latent_dim + (config.class_embed_dim if num_classes else 0)
        norm = partial(LinearConditionalBatchNorm2d, cond_dim=cond_dim, eps=_BATCHNORM_EPS)
        shape = (config, image_size, num_channels)
        self.build(*shape, stem_dim=cond_dim, norm=norm, eps=_BATCHNORM_EPS)
        add_spectral_norm(self)
        self.class_embed = (
            nn.Embedding(num_classes, config.class_embed_dim) if num_classes else None
        )
        init_orthogonal(self)

    def make_blocks(self, channels, norm):
        """Return two blocks for each doubling of the resolution."""
        for a, b in pairwise(channels):
            yield DeepUpBlock(a, a, norm, upsample=False)
            yield DeepUpBlock(a, b, norm, upsample=True)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and labels [N]."""
        cond = z if self.class_embed is None else torch.cat([self.class_embed(label), z], 1)
        return self.synthesize(cond, [cond] * len(self.blocks))  # [N, A]


class BigDeepDiscriminator(ProjectionDiscriminator):
    """A 3x3 conv, pairs of blocks down to 4 px with self-attention, sum pooling, a linear layer
    plus projection."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        channels = [config.d_channels * factor for factor in CHANNEL_FACTORS[image_size][::-1]]
        final_size, size = (8 if image_size == 32 else 4), image_size
        layers = [nn.Conv2d(num_channels, channels[0], 3, 1, 1)]
        for a, b in pairwise(channels):
            downsample = size > final_size
            layers.append(DeepDownBlock(a, b, downsample=downsample))
            layers.append(DeepDownBlock(b, b, downsample=False))
            size //= 2 if downsample else 1
            if downsample and size == attention_size(config, image_size):
                layers.append(SelfAttention2d(b))
        self.blocks = add_spectral_norm(nn.Sequential(*layers))
        self.build_head(channels[-1], num_classes)
        self.init()

    def init(self):
        """Initialize all weights orthogonally."""
        init_orthogonal(self)


class BigGANDeep(AttentionGAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set the hinge loss."""

    model_name = "biggan-deep"
    generator_class, discriminator_class = BigDeepGenerator, BigDeepDiscriminator
