"""The penalty of Lipschitz GANs: the largest squared gradient between real and fake images.

Paper: Lipschitz Generative Adversarial Nets (Zhou et al. 2019, arXiv 1902.05687):
max |grad D(x^)|^2 over x^ = (1 - a) x + a G(z), a ~ U[0, 1) for each image. Weight 10 in the code
that the composition `lgan` follows (POSTECH-CVLab/PyTorch-StudioGAN).

Differs from the paper: the maximum is that of the batch, without the paper's memory of the images
with the largest gradients so far.
"""

from __future__ import annotations

from torch import Tensor

from ganzoo_core.interfaces import GAN, DiscriminatorOutput, StepContext
from ganzoo_core.losses.regularizers import input_gradient
from ganzoo_core.losses.terms.input_gradient_term import InputGradientTerm


class Lipschitz(InputGradientTerm):
    """Adds max |grad D(x^)|^2 to the loss of D."""

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the penalty, 0-d."""
        alpha = ctx.rand(len(out.real_images), 1, 1, 1)
        between = (1 - alpha) * out.real_images + alpha * out.fake_images
        gradient = input_gradient(self.logit_fn(gan, out), between)
        return gradient.flatten(1).square().sum(1).amax()
