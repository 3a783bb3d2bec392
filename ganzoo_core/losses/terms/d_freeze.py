"""Freezes D: between two epochs, or while its running accuracy is too high.

Two of the remedies of the source report for a discriminator that overfits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.interfaces import GAN, DiscriminatorOutput, StepContext, Term

ACCURACY_MOMENTUM = 0.1
"""The weight of the newest batch in the running accuracy."""


class DFreeze(Term):
    """Updates of a frozen D do not count; its loss is still computed, so that curves continue.

    Args:
        epochs: (from, to) in epochs between which D is frozen.
        above_accuracy: D is frozen while its running accuracy is above this value.
    """

    accuracy: Tensor | None

    def __init__(
        self,
        *,
        epochs: tuple[float, float] | None = None,
        above_accuracy: float | None = None,
    ) -> None:
        super().__init__()
        self.epochs, self.above_accuracy = epochs, above_accuracy
        self.register_buffer("accuracy", torch.tensor(0.5) if above_accuracy else None)

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> None:
        """Update the running accuracy."""
        if self.accuracy is not None:
            accuracy = gan.loss.accuracy(out.real_logits, out.fake_logits)
            self.accuracy.lerp_(ctx.all_reduce_mean(accuracy), ACCURACY_MOMENTUM)

    def should_update_d(self, gan: GAN, ctx: StepContext) -> Tensor:
        """Return whether D is not frozen, a 0-d bool on the device."""
        should_update = torch.ones((), dtype=torch.bool, device=ctx.images_seen.device)
        if self.epochs:
            start, end = (ctx.epochs_to_steps(epoch) if epoch else 0 for epoch in self.epochs)
            should_update = should_update & (not start <= ctx.step < end)
        if self.accuracy is not None and self.above_accuracy is not None:
            should_update = should_update & (self.accuracy <= self.above_accuracy)
        ctx.log({"frozen/d": 1 - should_update.float()})
        return should_update
