"""Weight clipping: the weights of D are clipped to [-c, c] after each update.

Paper: Wasserstein GAN (Arjovsky et al. 2017, arXiv 1701.07875), c = 0.01.
"""

from __future__ import annotations

from ganzoo_core.interfaces import GAN, StepContext, Term


class WeightClip(Term):
    """Clips all parameters of D.

    Args:
        value: c, the largest absolute value.
    """

    def __init__(self, *, value: float = 0.01) -> None:
        super().__init__()
        self.value = value

    def after_discriminator(self, gan: GAN, ctx: StepContext) -> None:
        """Clip the parameters in place."""
        for parameter in gan.discriminator.parameters():
            parameter.clamp_(-self.value, self.value)
