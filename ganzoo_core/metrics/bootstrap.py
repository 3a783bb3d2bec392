"""Intervals by resampling people: the photographs of one person are no independent witnesses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
LEVEL = 0.95


def weights(groups: int, seed: int, draws: int = DRAWS) -> NDArray[np.float64]:
    """Return how often each of G people is drawn in each resample, [draws, G]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(groups, np.full(groups, 1 / groups), draws).astype(np.float64)


def interval(values: NDArray[Any]) -> tuple[float, float]:
    """Return the bounds of the middle 95 % of resampled values."""
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean_interval(
    values: NDArray[Any], who: NDArray[Any] | None = None, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of a mean over values [N].

    Args:
        who: [N], equal for values of one person; None where each stands alone.
    """
    means = resampled(values, who, seed)
    return interval(means)


def resampled(
    values: NDArray[Any], who: NDArray[Any] | None = None, seed: int = 0
) -> NDArray[np.float64]:
    """Return the mean of values [N] in each resample of the people, [draws]."""
    groups = np.arange(len(values)) if who is None else np.unique(who, return_inverse=True)[1]
    count = int(groups.max()) + 1
    sums = np.bincount(groups, values.astype(np.float64), count)
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    drawn = weights(count, seed)
    return np.asarray((drawn @ sums) / (drawn @ sizes))
