"""Checks for values that are not finite, without a device sync in every step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from ganzoo_core.errors import DivergedError

FINITE_CHECK_EVERY = 50
"""Steps between checks."""
MAX_RETRIES = 3
"""Times that a run that diverged restarts from its last checkpoint."""


def require_finite(
    values: dict[str, float], step: int, find_first: Callable[[], str]
) -> dict[str, float]:
    """Return the values of a line of metrics.

    Args:
        values: by key.
        step: for the message.
        find_first: returns the key of the value that was the first not to be finite.

    Raises:
        DivergedError: one of them is not finite.
    """
    if all(math.isfinite(value) for value in values.values()):
        return values
    raise _divergence_error(find_first(), step)


def require_finite_weights(model: nn.Module, step: int) -> None:
    """Check every weight, with one device sync.

    Raises:
        DivergedError: one of them is not finite.
    """
    params = [p.detach() for p in model.parameters()]
    if not params or torch.stack(torch._foreach_norm(params)).sum().isfinite():
        return
    for name, param in model.named_parameters():
        if not param.isfinite().all():
            raise _divergence_error(name, step)


def _divergence_error(name: str, step: int) -> DivergedError:
    error = DivergedError(
        f"{name} is not finite at step {step}: the last checkpoint is valid; lower the learning "
        "rate or use --precision fp32, then resume or start a new run"
    )
    error.nonfinite_name = name
    return error
