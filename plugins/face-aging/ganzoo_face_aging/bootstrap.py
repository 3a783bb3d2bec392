"""Confidence intervals by resampling people: photographs of one person are not independent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUM_RESAMPLES = 1000
_CONFIDENCE_LEVEL = 0.95


def resample_counts(
    num_groups: int, seed: int, num_resamples: int = _NUM_RESAMPLES
) -> NDArray[np.float64]:
    """Return how often each of G groups is drawn in each resample, [R, G]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), num_resamples).astype(
        np.float64
    )


def percentile_interval(values: NDArray[Any]) -> tuple[float, float]:
    """Return the 2.5 % and the 97.5 % quantile of resampled values."""
    low, high = np.nanquantile(values, [(1 - _CONFIDENCE_LEVEL) / 2, (1 + _CONFIDENCE_LEVEL) / 2])
    return float(low), float(high)


def mean_ci95(
    values: NDArray[Any], group_ids: NDArray[Any] | None = None, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the mean of values [N].

    Args:
        values: [N].
        group_ids: [N], equal for values of one person; None if all values are independent.
        seed: of the resamples.
    """
    return percentile_interval(bootstrap_means(values, group_ids, seed))


def bootstrap_means(
    values: NDArray[Any], group_ids: NDArray[Any] | None = None, seed: int = 0
) -> NDArray[np.float64]:
    """Return the mean of values [N] in each resample of the groups, [R]."""
    group_index = (
        np.arange(len(values))
        if group_ids is None
        else np.unique(group_ids, return_inverse=True)[1]
    )
    num_groups = int(group_index.max()) + 1
    sums = np.bincount(group_index, values.astype(np.float64), num_groups)
    sizes = np.bincount(group_index, minlength=num_groups).astype(np.float64)
    counts = resample_counts(num_groups, seed)
    return np.asarray((counts @ sums) / (counts @ sizes))
