"""Resets D: weights and optimizer start again every so many epochs.

One of the remedies of the source report for a discriminator that overfits.
"""

from __future__ import annotations

from ganzoo_core.interfaces import GAN, StepContext, Term


class DReset(Term):
    """Initializes D again.

    Args:
        every_epochs: the period in epochs.
    """

    def __init__(self, *, every_epochs: float) -> None:
        super().__init__()
        self.every_epochs = every_epochs

    def after_generator(self, gan: GAN, ctx: StepContext) -> None:
        """Reset D and its optimizer at the end of each period."""
        if (ctx.step + 1) % ctx.epochs_to_steps(self.every_epochs) == 0:
            gan.discriminator.reset_parameters()
            ctx.reset_optimizer("d")
