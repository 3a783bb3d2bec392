"""Holding back a discriminator that wins: halt it, or let it begin anew (`model.cures`).

The report's other two cures are options as they stand: a rate of its own (`model.optim_d.lr`) and
one-sided label smoothing (`model.loss.real_target`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo_core.interfaces.networks import Discriminator
from ganzoo_core.interfaces.turn import Turn

PACE = 0.1
"""The weight of the newest batch in the accuracy that `halt_d_above` watches."""


class Warden:
    """Says when D's steps count, and when D begins anew. All it says is a function of the round and
    of `accuracy`, which the model keeps as a buffer: so it is exact under resume."""

    def __init__(self, cures: Any, accuracy: Tensor | None) -> None:
        self.cures, self.accuracy = cures, accuracy

    @property
    def halts(self) -> bool:
        """Whether D is ever halted."""
        return bool(self.cures.halt_d or self.cures.halt_d_above)

    def watch(self, t: Turn, accuracy: Tensor) -> None:
        """Take the accuracy of one batch, 0-d."""
        if self.accuracy is not None:
            self.accuracy.lerp_(t.mean(accuracy), PACE)

    def lets_learn(self, t: Turn) -> Tensor:
        """Return whether D's steps of this round count, a 0-d bool on the device; a step that does
        not is computed all the same, so that the curves and the accuracy go on."""
        free = torch.ones((), dtype=torch.bool, device=t.seen.device)
        if self.cures.halt_d:
            start, end = (t.rounds(epochs) if epochs else 0 for epochs in self.cures.halt_d)
            free = free & (not start <= t.round < end)
        if self.accuracy is not None:
            free = free & (self.accuracy <= self.cures.halt_d_above)
        t.log(d_halted=1 - free.float())
        return free

    def renew(self, t: Turn, discriminator: Discriminator) -> None:
        """Let D begin anew, weights and optimiser, when `reset_d` says so; in a step's `after`."""
        if (t.round + 1) % t.rounds(self.cures.reset_d) == 0:
            discriminator.begin()
            t.restart("d")
