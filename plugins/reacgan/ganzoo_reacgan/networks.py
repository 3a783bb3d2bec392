"""The networks of BigGAN, with a second head in D that embeds the image on a unit sphere.

Paper: Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock, Donahue and
Simonyan 2019, arXiv 1809.11096), as the authors of ReACGAN build them for CIFAR-10 in
POSTECH-CVLab/PyTorch-StudioGAN. Each block of G is conditioned on the class and on its own chunk
of z.

Differs from the paper:

| | StudioGAN's BigGAN | here |
|---|---|---|
| self-attention | in both networks | none |
| spectral norm | in both networks | in D only |
| image size | 32 px | each doubling adds a block of half the channels to each network |

Shapes: N batch, Z chunk of z, A condition (class embedding and chunk), W channels of G, V channels
of D, E embedding, S image size.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import interpolate, normalize, relu
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import Discriminator, Generator


class _ConditionalBatchNorm2d(nn.Module):
    """BatchNorm whose scale and shift are linear functions of a condition."""

    def __init__(self, num_features, cond_dim):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features, affine=False)
        self.scale = nn.Linear(cond_dim, num_features, bias=False)
        self.shift = nn.Linear(cond_dim, num_features, bias=False)

    def forward(self, x, cond):
        """Return normalized maps of the shape of x [N, W, h, w], from conditions [N, A]."""
        scale = 1 + self.scale(cond)[..., None, None]  # [N, W, 1, 1]
        return self.norm(x) * scale + self.shift(cond)[..., None, None]


class _UpBlock(nn.Module):
    """Residual block of G: norm, ReLU, upsample, conv, norm, ReLU, conv; 1x1 shortcut."""

    def __init__(self, in_channels, out_channels, cond_dim):
        super().__init__()
        self.norm1 = _ConditionalBatchNorm2d(in_channels, cond_dim)
        self.norm2 = _ConditionalBatchNorm2d(out_channels, cond_dim)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, cond):
        """Return maps [N, out_channels, 2h, 2w]."""
        h = self.conv1(interpolate(relu(self.norm1(x, cond)), scale_factor=2))
        h = self.conv2(relu(self.norm2(h, cond)))
        return h + interpolate(self.shortcut(x), scale_factor=2)  # a 1x1 conv commutes with it


class ACGenerator(Generator):
    """First chunk of z -> 4 px -> blocks that upsample to S px, each with the class and a chunk."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        w = config.g_channels
        channels = [w, *(_channels_at(w, resolution) for resolution in _resolutions(image_size))]
        cond_dim = config.class_embed_dim + config.latent_chunk_dim
        self.latent_dim = config.latent_chunk_dim * len(channels)
        self.class_embed = nn.Embedding(num_classes, config.class_embed_dim)
        self.stem = nn.Linear(config.latent_chunk_dim, w * 16)
        self.blocks = nn.ModuleList(_UpBlock(a, b, cond_dim) for a, b in pairwise(channels))
        self.norm = nn.BatchNorm2d(channels[-1])
        self.head = nn.Conv2d(channels[-1], num_channels, 3, 1, 1)
        _init_orthogonal(self)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, 4Z] (at 32 px) and labels [N]."""
        stem_z, *block_zs = z.chunk(len(self.blocks) + 1, 1)  # each [N, Z]
        h = self.stem(stem_z).unflatten(1, (-1, 4, 4))  # [N, W, 4, 4]
        for block, block_z in zip(self.blocks, block_zs, strict=True):
            cond = torch.cat([self.class_embed(label), block_z], 1)  # [N, A]
            h = block(h, cond)  # [N, W, 8, 8] .. [N, W, 32, 32]
        return torch.tanh(self.head(relu(self.norm(h))))


class _DownBlock(nn.Module):
    """Residual block of D: ReLU, conv, ReLU, conv, pool; 1x1 shortcut. Convs have spectral norm.

    Args:
        is_first: whether the input is the image, which has no ReLU before the first conv.
        downsample: whether to halve the resolution; without it the shortcut is the identity.
    """

    def __init__(self, in_channels, out_channels, *, is_first=False, downsample=True):
        super().__init__()
        self.conv1 = spectral_norm(nn.Conv2d(in_channels, out_channels, 3, 1, 1))
        self.conv2 = spectral_norm(nn.Conv2d(out_channels, out_channels, 3, 1, 1))
        self.shortcut = (
            spectral_norm(nn.Conv2d(in_channels, out_channels, 1)) if downsample else nn.Identity()
        )
        self.pool = nn.AvgPool2d(2) if downsample else nn.Identity()
        self.is_first = is_first

    def forward(self, x):
        """Return maps [N, out_channels, h/2, w/2], or [N, out_channels, h, w]."""
        h = self.conv2(relu(self.conv1(x if self.is_first else relu(x))))
        return self.pool(h) + self.shortcut(self.pool(x))


class ACDiscriminator(Discriminator):
    """Blocks down to 8 px, two more at 8 px, sum pooling, then two heads: logit and embedding."""

    uses_label = False

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        v = config.d_channels
        resolutions = [r for r in reversed(_resolutions(image_size)) if r > 8]  # .. 64, 32, 16
        channels = [num_channels, *(_channels_at(v, resolution) for resolution in resolutions)]
        blocks = [_DownBlock(a, b, is_first=i == 0) for i, (a, b) in enumerate(pairwise(channels))]
        self.blocks = nn.Sequential(
            *blocks, *(_DownBlock(v, v, downsample=False) for _ in range(2))
        )
        self.adv_head = spectral_norm(nn.Linear(v, 1))
        self.embed_head = spectral_norm(nn.Linear(v, config.embed_dim))
        self.class_proxies = nn.Embedding(num_classes, config.embed_dim)
        _init_orthogonal(self)

    def reset_parameters(self):
        """Initialize the weights again."""
        _init_orthogonal(self)

    def logits_and_embedding(self, image, label=None):
        """Return logits [N] and unit vectors [N, E] from images [N, C, S, S]."""
        h = relu(self.blocks(image)).sum((2, 3))  # [N, V, 8, 8] -> [N, V]
        return self.adv_head(h).flatten(), normalize(self.embed_head(h).float())

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S]. Ignores labels."""
        return self.logits_and_embedding(image)[0]


def _resolutions(image_size):
    """Return the resolutions of G after each upsampling: 8, 16 .. S."""
    return [2**i for i in range(3, int(math.log2(image_size)) + 1)]


def _channels_at(base_channels, resolution):
    """Return the channels at a resolution: constant up to 32 px, then halved at each doubling."""
    return base_channels * 32 // max(resolution, 32)


@torch.no_grad()
def _init_orthogonal(module):
    """Initialize all weights orthogonally and their biases by zero; BatchNorm stays as it is."""
    for name, weight in module.named_parameters():
        if weight.dim() > 1:
            nn.init.orthogonal_(weight)
        elif not name.startswith("norm"):
            nn.init.zeros_(weight)
