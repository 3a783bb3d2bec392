"""The gradient penalty E (|grad D(x^)| - 1)^2 at x^ between a real and a fake image.

Paper: Improved Training of Wasserstein GANs (Gulrajani et al. 2017, arXiv 1704.00028).
"""

from __future__ import annotations

from torch import Tensor

from ganzoo_core.interfaces import GAN, DiscriminatorOutput, StepContext
from ganzoo_core.losses.regularizers import gradient_penalty
from ganzoo_core.losses.terms.input_gradient_term import InputGradientTerm


class GradientPenalty(InputGradientTerm):
    """E (|grad D(x^)| - 1)^2, x^ = (1 - a) x + a G(z), a ~ U[0, 1) for each image."""

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the penalty, 0-d."""
        alpha = ctx.rand(len(out.real_images), 1, 1, 1)
        return gradient_penalty(self.logit_fn(gan, out), out.real_images, out.fake_images, alpha)
