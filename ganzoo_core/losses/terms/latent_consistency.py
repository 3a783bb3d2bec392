"""Latent consistency (zCR) of ICR-GAN: D is alike, and G is not, for two latents that are close.

Paper: Improved Consistency Regularization for GANs (Zhao et al. 2021, arXiv 2002.04724). With
z' = z + N(0, s^2), D minimizes w_D E |D(G(z)) - D(G(z'))|^2 and G -w_G E |G(z) - G(z')|^2, averaged
over the values of an image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.interfaces import (
    GAN,
    DiscriminatorOutput,
    GeneratorOutput,
    StepContext,
    Term,
)
from ganzoo_core.losses.terms.consistency import squared_difference


class ZCR(Term):
    """Adds both parts.

    Args:
        noise_std: s. d_weight: w_D. g_weight: w_G.
    """

    uses_latent = True

    def __init__(
        self, *, noise_std: float = 0.05, d_weight: float = 5.0, g_weight: float = 0.5
    ) -> None:
        super().__init__()
        self.noise_std, self.d_weight, self.g_weight = noise_std, d_weight, g_weight

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the difference of the logits, 0-d."""
        with torch.no_grad():
            neighbors = gan.augment_for_d(self._neighbors(gan, ctx, out.label), ctx)
        logits = gan.discriminator(neighbors, out.label)
        return self.d_weight * squared_difference(out.fake_logits, logits)

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the negative difference of the images, 0-d."""
        neighbors = self._neighbors(gan, ctx, out.label)
        return -self.g_weight * squared_difference(gan.fakes_for_g(ctx), neighbors)

    def _neighbors(self, gan: GAN, ctx: StepContext, label: Tensor | None) -> Tensor:
        """Return the images [N, C, H, W] of latents near those of the fakes."""
        z = gan.latents(ctx).detach()
        images: Tensor = gan.generator(z + self.noise_std * ctx.randn(*z.shape), label)
        return images
