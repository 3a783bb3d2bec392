"""What the three models share: residual networks with self-attention, a projection discriminator,
and standing statistics.

Shapes: N batch, W maps of the last block of D, S image size, C image channels.
"""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import relu

from ganzoo_core import GAN, Discriminator, Generator
from ganzoo_core.data.ada import make_augment
from ganzoo_core.interfaces import SeededRng
from ganzoo_core.layers import (
    ResidualDownBlock,
    ResidualUpBlock,
    SelfAttention2d,
    check_image_size,
    spectral_norm,
)
from ganzoo_core.losses import make_loss

_STANDING_BATCH_SIZE = 64
CHANNEL_FACTORS = {
    32: (4, 4, 4, 4),
    64: (16, 8, 4, 2, 1),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
"""By image size: the multiples of the base channels at 4, 8 .. S px. D has them in reverse order.
32 px as in POSTECH-CVLab/PyTorch-StudioGAN for CIFAR-10, 64 px as there."""


def attention_size(config, image_size):
    """Return the edge of the maps with self-attention."""
    return min(config.attention_size, image_size // 2)


class ResidualGenerator(Generator):
    """A linear layer to 4 px, residual blocks that upsample to S px, self-attention between two of
    them. A subclass sets `latent_dim` and calls `build`."""

    def build(self, config, image_size, num_channels, *, stem_dim, norm, eps):
        """Make the layers; `norm` makes a conditional norm from the number of its channels."""
        channels = [config.g_channels * factor for factor in CHANNEL_FACTORS[image_size]]
        self.attention_size = attention_size(config, image_size)
        self.stem = nn.Linear(stem_dim, channels[0] * 16)
        self.blocks = nn.ModuleList(self.make_blocks(channels, norm))
        self.attention = self.make_attention(channels)
        self.norm = nn.BatchNorm2d(channels[-1], eps=eps)
        self.head = nn.Conv2d(channels[-1], num_channels, 3, 1, 1)

    def make_blocks(self, channels, norm):
        """Return the residual blocks."""
        return [ResidualUpBlock(a, b, norm) for a, b in pairwise(channels)]

    def make_attention(self, channels):
        """Return the self-attention for the maps of `attention_size`; None for none."""
        if not self.attention_size:
            return None
        return SelfAttention2d(channels[(self.attention_size // 4).bit_length() - 1])

    def synthesize(self, stem_input, conds):
        """Return images [N, C, S, S] from the input of the first layer and the condition of each
        block."""
        h = self.stem(stem_input).unflatten(1, (-1, 4, 4))
        for block, cond in zip(self.blocks, conds, strict=True):
            size = h.shape[2]
            h = block(h, cond)
            if self.attention is not None and size < h.shape[2] == self.attention_size:
                h = self.attention(h)
        return torch.tanh(self.head(relu(self.norm(h))))


class ProjectionDiscriminator(Discriminator):
    """Sum pooling of the last maps, a linear layer plus the inner product with the class embedding.

    A subclass sets `blocks`, then calls `build_head`. Its `init` initializes the weights.
    """

    def build_head(self, num_features, num_classes):
        """Make the linear layer and the embedding of the classes."""
        self.head = spectral_norm(nn.Linear(num_features, 1))
        self.class_embed = (
            spectral_norm(nn.Embedding(num_classes, num_features)) if num_classes else None
        )

    def reset_parameters(self):
        """Initialize the weights again."""
        self.init()

    def features(self, image, label=None):
        """Return the maps before the pooling, a list of one tensor [N, W, h, w]."""
        return [relu(self.blocks(image))]

    def forward_heads(self, image, labels, heads=()):
        """Return logits [N] of images [N, C, S, S] for each of several labels [N]."""
        h = self.features(image)[0].sum((2, 3))  # [N, W]
        logit = self.head(h).flatten()
        if self.class_embed is not None:
            logits = [logit + (self.class_embed(label) * h).sum(1) for label in labels]
        else:
            logits = [logit for _ in labels]
        return logits, {head: getattr(self, head)(image) for head in heads}

    def forward(self, image, label=None):
        """Return logits [N] from images [N, C, S, S] and labels [N]."""
        return self.forward_heads(image, [label])[0][0]


def residual_blocks(config, image_size, num_channels):
    """Return the blocks of SAGAN's and BigGAN's D: down to 4 px, or 8 px for images of 32 px, then
    one or two that stay there; self-attention follows the block with maps of its size."""
    factors = CHANNEL_FACTORS[image_size][::-1]
    channels = [num_channels, *(config.d_channels * factor for factor in factors)]
    final_size, size, blocks = (8 if image_size == 32 else 4), image_size, []
    for a, b in pairwise(channels):
        downsample = size > final_size
        blocks.append(ResidualDownBlock(a, b, is_first=not blocks, downsample=downsample))
        size //= 2 if downsample else 1
        if downsample and size == attention_size(config, image_size):
            blocks.append(SelfAttention2d(b))
    return nn.Sequential(*blocks)


class AttentionGAN(GAN):
    """A GAN whose samples may use standing statistics. A subclass has a name and two networks."""

    model_name: str
    generator_class: type
    discriminator_class: type

    def __init__(self, config, info):
        super().__init__(config, info)
        check_image_size(self.model_name, info.image_size, minimum=32, maximum=512, suggestion=32)
        self.conditional = config.conditional and bool(info.class_names)
        num_classes = len(info.class_names) if self.conditional else 0
        shape = (info.image_size, info.num_channels, num_classes)
        self.generator = self.generator_class(config, *shape)
        self.discriminator = self.discriminator_class(config, *shape)
        self.augment = make_augment(config.augment)
        self.loss = make_loss(config.loss)

    def generate(self, n, label, rng, truncation=None, *, code=None, standing_batches=None):
        """Return images [n, C, S, S] in [-1, 1]."""
        generator = self.generator
        z = self.sample_latents(n, rng, truncation, code)
        if standing_batches is not None:
            generator = self._standing_generator(standing_batches, truncation)
        return generator(z, label)

    @torch.no_grad()
    def _standing_generator(self, num_batches, truncation):
        """Return a copy of G whose BatchNorm has the mean statistics of batches of new fakes. They
        are the same for every call, so that images are a function of their seed."""
        generator = deepcopy(self.generator).eval()
        for module in generator.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # the mean over all batches
                module.train()
        device = self.generator.head.weight.device
        classes = torch.tensor(self.info.nonempty_classes or (0,), device=device)
        for index in range(num_batches):
            rng = SeededRng(device, 0, "standing", index)
            z = generator.sample_latent(_STANDING_BATCH_SIZE, rng)
            z = z if truncation is None else generator.truncate(z, truncation)
            label = classes[(rng.rand(len(z)) * len(classes)).long()] if self.conditional else None
            generator(z, label)
        return generator.eval()
