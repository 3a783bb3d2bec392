"""R1 and R2 = 1/2 E |grad D(x)|^2, on real and on fake images.

Paper: Which Training Methods for GANs do actually Converge? (Mescheder et al. 2018, arXiv
1801.04406). With `interval` it is the lazy regularization of StyleGAN2.

`through_augment` decides where the augmentation of `model.augment` enters: True differentiates
through it, down to the unaugmented image (StyleGAN2-ADA, R3GAN); False penalizes the gradient at
the augmented image. Without an augmentation both are equal.
"""

from __future__ import annotations

from torch import Tensor

from ganzoo_core.interfaces import GAN, DiscriminatorOutput, StepContext
from ganzoo_core.losses.regularizers import r1
from ganzoo_core.losses.terms.input_gradient_term import InputGradientTerm


class R1(InputGradientTerm):
    """1/2 E |grad D(x)|^2 on real images.

    Args:
        through_augment: differentiate through the augmentation, with random numbers of its own.
    """

    def __init__(self, *, through_augment: bool = True) -> None:
        super().__init__()
        self.through_augment = through_augment

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return R1, 0-d."""
        assert ctx.batch.image is not None
        return self._penalty(gan, ctx, out, ctx.batch.image, out.real_images)

    def _penalty(
        self,
        gan: GAN,
        ctx: StepContext,
        out: DiscriminatorOutput,
        images: Tensor,
        augmented_images: Tensor,
    ) -> Tensor:
        logit_fn = self.logit_fn(gan, out)
        if self.through_augment and gan.augment is not None:
            return r1(lambda image: logit_fn(gan.augment_for_d(image, ctx)), images)
        return r1(logit_fn, augmented_images)


class R2(R1):
    """1/2 E |grad D(G(z))|^2 on fake images."""

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return R2, 0-d."""
        return self._penalty(gan, ctx, out, gan.fake_images(ctx).detach(), out.fake_images)
