"""The gradient penalty of DRAGAN, around the real images.

Paper: On Convergence and Stability of GANs (Kodali et al. 2017, arXiv 1705.07215); the perturbation
is that of the authors' code.
"""

from __future__ import annotations

from torch import Tensor

from ganzoo_core.interfaces import GAN, DiscriminatorOutput, StepContext
from ganzoo_core.losses.regularizers import dragan
from ganzoo_core.losses.terms.input_gradient_term import InputGradientTerm


class DRAGAN(InputGradientTerm):
    """E (|grad D(x^)| - 1)^2, x^ = x + a u std / 2, u ~ U[0, 1) for each value, a ~ U[0, 1) for
    each image."""

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the penalty, 0-d."""
        noise = ctx.rand(*out.real_images.shape)
        alpha = ctx.rand(len(out.real_images), 1, 1, 1)
        return dragan(self.logit_fn(gan, out), out.real_images, noise, alpha)
