"""Guards: a value that is not finite is noticed soon, without a synchronisation a round."""

from __future__ import annotations

import math

import torch
from torch import nn

from ganzoo_core.errors import DivergedError

NOTICE = 50
"""Rounds within which a value that is not finite is noticed."""
RETRIES = 3
"""Times a run that diverged goes back to its last checkpoint."""


def require_finite(values: dict[str, float], round: int) -> dict[str, float]:
    """Return the values of a line of metrics.

    Raises:
        DivergedError: one is not finite.
    """
    for name, value in values.items():
        if not math.isfinite(value):
            raise diverged(name, round)
    return values


def require_sound(model: nn.Module, round: int) -> None:
    """Look at every weight, with one synchronisation.

    Raises:
        DivergedError: one is not finite.
    """
    params = [p.detach() for p in model.parameters()]
    if not params or torch.stack(torch._foreach_norm(params)).sum().isfinite():
        return
    for name, param in model.named_parameters():
        if not param.isfinite().all():
            raise diverged(name, round)


def diverged(what: str, round: int) -> DivergedError:
    """Say what is not finite."""
    error = DivergedError(
        f"{what} is not finite at round {round}: the last checkpoint is sound; "
        "lower the learning rate or use --precision fp32, then resume or start anew"
    )
    error.what = what
    return error
