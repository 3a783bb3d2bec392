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

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import interpolate, relu
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.losses import make_loss


class _ConditionalBatchNorm2d(nn.Module):
    """BatchNorm with a scale and a shift for each class; plain BatchNorm without classes."""

    def __init__(self, num_features, num_classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features, affine=not num_classes)
        if num_classes:
            self.scale = nn.Embedding(num_classes, num_features)
            self.shift = nn.Embedding(num_classes, num_features)
            nn.init.ones_(self.scale.weight)
            nn.init.zeros_(self.shift.weight)

    def forward(self, x, label):
        """Return normalized maps of the shape of x [N, W, h, w]."""
        x = self.norm(x)
        if self.norm.affine:
            return x
        return self.scale(label)[:, :, None, None] * x + self.shift(label)[:, :, None, None]


class _UpBlock(nn.Module):
    """Residual block of G: norm, ReLU, upsample, conv, norm, ReLU, conv; 1x1 shortcut."""

    def __init__(self, in_channels, out_channels, num_classes):
        super().__init__()
        self.norm1 = _ConditionalBatchNorm2d(in_channels, num_classes)
        self.norm2 = _ConditionalBatchNorm2d(out_channels, num_classes)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x, label):
        """Return maps [N, out_channels, 2h, 2w]."""
        h = self.conv1(interpolate(relu(self.norm1(x, label)), scale_factor=2))
        h = self.conv2(relu(self.norm2(h, label)))
        return h + interpolate(self.shortcut(x), scale_factor=2)  # a 1x1 conv commutes with it


class SNGenerator(Generator):
    """z -> 4 px -> residual blocks that upsample to S px."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        self.latent_dim = config.latent_dim
        w = config.g_channels
        channels = [w, *(_channels_at(w, resolution) for resolution in _resolutions(image_size))]
        self.stem = nn.Linear(config.latent_dim, w * 16)
        self.blocks = nn.ModuleList(_UpBlock(a, b, num_classes) for a, b in pairwise(channels))
        self.norm = nn.BatchNorm2d(channels[-1])
        self.head = nn.Conv2d(channels[-1], num_channels, 3, 1, 1)
        _init_xavier(self)

    def forward(self, z, label=None):
        """Return images [N, C, S, S] in [-1, 1] from latents [N, Z] and labels [N]."""
        h = self.stem(z).unflatten(1, (-1, 4, 4))  # [N, W, 4, 4]
        for block in self.blocks:
            h = block(h, label)  # [N, W, 8, 8] .. [N, W, 32, 32], [N, W/2, 64, 64]
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


class SNDiscriminator(Discriminator):
    """Blocks down to 8 px, two more at 8 px, sum pooling, then a linear layer plus projection."""

    def __init__(self, config, image_size, num_channels, num_classes):
        super().__init__()
        v = config.d_channels
        resolutions = [r for r in reversed(_resolutions(image_size)) if r > 8]  # .. 64, 32, 16
        channels = [num_channels, *(_channels_at(v, resolution) for resolution in resolutions)]
        blocks = [_DownBlock(a, b, is_first=i == 0) for i, (a, b) in enumerate(pairwise(channels))]
        self.blocks = nn.Sequential(
            *blocks, *(_DownBlock(v, v, downsample=False) for _ in range(2))
        )
        self.head = spectral_norm(nn.Linear(v, 1))
        self.class_embed = spectral_norm(nn.Embedding(num_classes, v)) if num_classes else None
        _init_xavier(self)

    def reset_parameters(self):
        """Initialize the weights again."""
        _init_xavier(self)

    def features(self, image, label=None):
        """Return the maps before the pooling, a list of one tensor [N, V, 8, 8]."""
        return [relu(self.blocks(image))]

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        h = self.features(image)[0].sum((2, 3))  # [N, V]
        logit = self.head(h).flatten()
        return logit if self.class_embed is None else logit + (self.class_embed(label) * h).sum(1)


def _resolutions(image_size):
    """Return the resolutions of G after each upsampling: 8, 16 .. S."""
    return [2**i for i in range(3, int(math.log2(image_size)) + 1)]


def _channels_at(base_channels, resolution):
    """Return the channels at a resolution: constant up to 32 px, then halved at each doubling."""
    return base_channels * 32 // max(resolution, 32)


@torch.no_grad()
def _init_xavier(module):
    """Initialize convs, linear layers and embeddings by Xavier uniform, their biases by zero."""
    for name, weight in module.named_parameters():
        if "scale" in name or "shift" in name or "norm" in name:
            continue
        if weight.dim() > 1:
            nn.init.xavier_uniform_(weight)
        else:
            nn.init.zeros_(weight)


class SNGAN(GAN):
    """Both losses are those of `ganzoo_core.GAN`; the presets set the hinge loss."""

    def __init__(self, config, info):
        super().__init__(config, info)
        if info.image_size < 32 or info.image_size & (info.image_size - 1):
            raise ValueError(
                f"data.image_size: sngan supports 32, 64, 128 ... px, not {info.image_size}: "
                "--set data.image_size=32"
            )
        self.conditional = bool(info.class_names)
        shape = (info.image_size, info.num_channels, len(info.class_names))
        self.generator = SNGenerator(config, *shape)
        self.discriminator = SNDiscriminator(config, *shape)
        self.loss = make_loss(config.loss)
