"""Control of a discriminator that overfits: freeze it, or reset it (`model.d_control`).

A lower learning rate (`model.optim_d.lr`) and one-sided label smoothing
(`model.loss.real_target`) are the other two remedies of the report.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo_core.interfaces.context import StepContext
from ganzoo_core.interfaces.networks import Discriminator

ACCURACY_MOMENTUM = 0.1
"""The weight of the newest batch in the accuracy that `freeze_above_accuracy` compares."""


class DiscriminatorControl:
    """Decides whether a step of D counts and when D is reset.

    Every decision is a function of the step and of `accuracy`, which the model keeps as a buffer,
    so that resume is exact.

    Args:
        config: `ganzoo_core.config.DiscriminatorControlConfig`.
        accuracy: the running accuracy of D, 0-d, changed in place; None where nothing reads it.
    """

    def __init__(self, config: Any, accuracy: Tensor | None) -> None:
        self.config, self.accuracy = config, accuracy

    @property
    def can_freeze(self) -> bool:
        """Whether D is ever frozen."""
        return bool(self.config.freeze_epochs or self.config.freeze_above_accuracy)

    def update_accuracy(self, ctx: StepContext, accuracy: Tensor) -> None:
        """Add the accuracy of one batch, 0-d, to the running accuracy."""
        if self.accuracy is not None:
            self.accuracy.lerp_(ctx.all_reduce_mean(accuracy), ACCURACY_MOMENTUM)

    def should_step(self, ctx: StepContext) -> Tensor:
        """Return whether the updates of D count in this step, a 0-d bool on the device. The loss of
        a frozen D is still computed, so that the curves and the accuracy continue."""
        should_step = torch.ones((), dtype=torch.bool, device=ctx.images_seen.device)
        if self.config.freeze_epochs:
            start, end = (
                ctx.epochs_to_steps(epochs) if epochs else 0 for epochs in self.config.freeze_epochs
            )
            should_step = should_step & (not start <= ctx.step < end)
        if self.accuracy is not None:
            should_step = should_step & (self.accuracy <= self.config.freeze_above_accuracy)
        ctx.log({"frozen/d": 1 - should_step.float()})
        return should_step

    def maybe_reset(self, ctx: StepContext, discriminator: Discriminator) -> None:
        """Reset the weights and the optimizer of D every `reset_every_epochs`."""
        if (ctx.step + 1) % ctx.epochs_to_steps(self.config.reset_every_epochs) == 0:
            discriminator.reset_parameters()
            ctx.reset_optimizer("d")
