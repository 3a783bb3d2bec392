"""Consistency regularization: the logit of an image and of its augmented copy are alike.

Papers:

- Consistency Regularization for GANs (CR, Zhang et al. 2020, arXiv 1910.12027):
  E |D(x) - D(T(x))|^2, weight 10, T flips and shifts by up to 1/8 of the edge.
- Improved Consistency Regularization for GANs (Zhao et al. 2021, arXiv 2002.04724): its balanced
  form bCR adds E |D(G) - D(T(G))|^2.

The copies are made of the images that D receives, thus after `model.augment`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.interfaces import GAN, DiscriminatorOutput, Rng, StepContext, Term

_MAX_SHIFT = 1 / 8
"""Of the edge."""


def flip_and_shift(images: Tensor, rng: Rng) -> Tensor:
    """Return images [N, C, H, W], each flipped with probability 1/2 and shifted by whole pixels, up
    to 1/8 of the edge, with reflected borders."""
    n, _, *sizes = images.shape
    images = torch.where(rng.rand(n, 1, 1, 1) < 0.5, images.flip(3), images)
    for axis, size in zip((2, 3), sizes, strict=True):
        largest = int(size * _MAX_SHIFT)
        shift = (rng.rand(n, 1) * (2 * largest + 1)).long().clamp_(max=2 * largest) - largest
        index = (torch.arange(size, device=images.device) + shift).abs()  # [N, size]
        index = torch.where(index < size, index, 2 * (size - 1) - index)
        shape = (n, 1, size, 1) if axis == 2 else (n, 1, 1, size)
        images = images.gather(axis, index.view(shape).expand_as(images))
    return images


def squared_difference(logits: Tensor, other_logits: Tensor) -> Tensor:
    """Return E |a - b|^2 of two batches of logits, 0-d."""
    return (logits.float() - other_logits.float()).square().mean()


class CR(Term):
    """Adds E |D(x) - D(T(x))|^2 to the loss of D."""

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the regularization of real images, 0-d."""
        copies = flip_and_shift(out.real_images, ctx)
        return squared_difference(out.real_logits, gan.discriminator(copies, out.label))


class BCR(CR):
    """Adds the same of real and of fake images to the loss of D."""

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the regularization of both, 0-d."""
        copies = flip_and_shift(out.fake_images, ctx)
        fake = squared_difference(out.fake_logits, gan.discriminator(copies, out.label))
        return super().discriminator(gan, ctx, out) + fake
