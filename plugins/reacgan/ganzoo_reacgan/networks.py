"""The networks of BigGAN, with a second head in D that embeds the image on a unit sphere.

Paper: Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock, Donahue and
Simonyan 2019, arXiv 1809.11096), as the authors of ReACGAN build them for CIFAR-10 in
POSTECH-CVLab/PyTorch-StudioGAN (src/configs/CIFAR10/ReACGAN.yaml). Each block of G is conditioned
on the class and on its own chunk of z. Both networks have self-attention at S/2 px, and all convs
and linear layers spectral norm.

Differs from the paper:

| | StudioGAN's BigGAN | here |
|---|---|---|
| image size | 32 px | each doubling adds a block of half the channels to each network |
| D2D-CE | subtracts a maximum from negatives | the paper's: gradient up to 1.04 times as long |

Shapes: N batch, Z chunk of z, A condition (class embedding and chunk), W channels of G, V channels
of D, E embedding, S image size.
"""

from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import normalize, relu
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import Discriminator, Generator
from ganzoo_core.layers import (
    LinearConditionalBatchNorm2d,
    ResidualUpBlock,
    SelfAttention2d,
    add_spectral_norm,
    channels_by_resolution,
    init_orthogonal,
    residual_discriminator_blocks,
)

_BATCHNORM_EPS = 1e-4


class ACGenerator(Generator):
    """First chunk of z -> 4 px -> blocks that upsample to S px, each with the class and a chunk."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        channels = channels_by_resolution(config.g_channels, image_size)
        cond_dim = config.class_embed_dim + config.latent_chunk_dim
        norm = partial(LinearConditionalBatchNorm2d, cond_dim=cond_dim, eps=_BATCHNORM_EPS)
        self.latent_dim = config.latent_chunk_dim * len(channels)
        self.class_embed = nn.Embedding(num_classes, config.class_embed_dim)
        self.stem = nn.Linear(config.latent_chunk_dim, channels[0] * 16)
        self.blocks = nn.ModuleList(ResidualUpBlock(a, b, norm) for a, b in pairwise(channels))
        self.attention = SelfAttention2d(channels[-2])
        self.norm = nn.BatchNorm2d(channels[-1], eps=_BATCHNORM_EPS)
        self.head = nn.Conv2d(channels[-1], num_channels, 3, 1, 1)
        add_spectral_norm(self)
        init_orthogonal(self)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, 4Z] (at 32 px) and labels [N]."""
        stem_z, *block_zs = z.chunk(len(self.blocks) + 1, 1)  # each [N, Z]
        h = self.stem(stem_z).unflatten(1, (-1, 4, 4))  # [N, W, 4, 4]
        for block, block_z in zip(self.blocks, block_zs, strict=True):
            if block is self.blocks[-1]:
                h = self.attention(h)  # [N, W, S/2, S/2]
            cond = torch.cat([self.class_embed(label), block_z], 1)  # [N, A]
            h = block(h, cond)  # [N, W, 8, 8] .. [N, W, 32, 32]
        return torch.tanh(self.head(relu(self.norm(h))))


class ACDiscriminator(Discriminator):
    """Blocks down to 8 px with self-attention after the first, two more blocks at 8 px, sum
    pooling, then two heads: logit and embedding."""

    uses_label = False

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        v = config.d_channels
        self.blocks = residual_discriminator_blocks(num_channels, v, image_size)
        attention = SelfAttention2d(self.blocks[0].conv2.out_channels)  # [N, V, S/2, S/2]
        self.blocks.insert(1, add_spectral_norm(attention))
        self.adv_head = spectral_norm(nn.Linear(v, 1))
        self.embed_head = spectral_norm(nn.Linear(v, config.embed_dim))
        self.class_proxies = spectral_norm(nn.Embedding(num_classes, config.embed_dim))
        init_orthogonal(self)

    def reset_parameters(self):
        """Initialize the weights again."""
        init_orthogonal(self)

    def forward_heads(self, image, labels, heads=()):
        """Return logits [N] from images [N, C, S, S], for each of the labels, which are ignored;
        and the head `embedding`, unit vectors [N, E]."""
        h = relu(self.blocks(image)).sum((2, 3))  # [N, V, 8, 8] -> [N, V]
        logits = self.adv_head(h).flatten()
        return [logits for _ in labels], {
            head: normalize(self.embed_head(h).float()) for head in heads
        }

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S]. Ignores labels."""
        return self.forward_heads(image, [label])[0][0]

    def embedding(self, image):
        """Return unit vectors [N, E] from images [N, C, S, S]."""
        return self.forward_heads(image, [], ["embedding"])[1]["embedding"]
