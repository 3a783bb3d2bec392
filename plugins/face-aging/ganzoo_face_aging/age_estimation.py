"""Errors of age estimation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data import age_bin_names, assign_age_bins
from ganzoo_core.errors import DataError
from ganzoo_face_aging.bootstrap import mean_ci95

_TOLERANCES = (1, 3, 5, 10)
"""Years of the cumulative score."""


@dataclass(frozen=True, kw_only=True)
class _AgeEstimationReport:
    """Errors of age estimates, in years."""

    num_images: int
    mae: float
    """Mean absolute error."""
    mae_ci95: tuple[float, float]
    """Over resamples of the people, or of the images where identities are unknown."""
    bias: float
    """Mean of estimate - true age."""
    cumulative_score: dict[str, float]
    """By tolerance in years: the share of estimates within it."""
    group_accuracy: float
    """Share of estimates in the age group of the true age."""
    group_accuracy_ci95: tuple[float, float]
    group_mae: dict[str, float]
    """By true age group."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def evaluate_age_estimates(
    estimated: NDArray[Any],
    true_age: NDArray[Any],
    age_bins: tuple[int, ...],
    person_ids: NDArray[Any] | None = None,
    seed: int = 0,
) -> _AgeEstimationReport:
    """Compare estimated ages [N] with true ages [N].

    Args:
        estimated: [N] years.
        true_age: [N] years.
        age_bins: inclusive upper edges of the age groups.
        person_ids: [N], equal for images of one person; None where unknown.
        seed: of the resamples.

    Raises:
        DataError: N is 0, or an estimate is not finite.
    """
    if not len(true_age):
        raise DataError("no ages to compare: give data with ages")
    if not np.isfinite(estimated).all():
        raise DataError(f"{int((~np.isfinite(estimated)).sum())} estimated ages are not finite")
    error = np.asarray(estimated, np.float64) - true_age
    abs_error = np.abs(error)
    estimated_group = assign_age_bins(np.asarray(estimated), age_bins)
    true_group = assign_age_bins(np.asarray(true_age), age_bins)
    names = age_bin_names(age_bins)
    return _AgeEstimationReport(
        num_images=len(true_age),
        mae=float(abs_error.mean()),
        mae_ci95=mean_ci95(abs_error, person_ids, seed),
        bias=float(error.mean()),
        cumulative_score={str(y): float((abs_error <= y).mean()) for y in _TOLERANCES},
        group_accuracy=float((estimated_group == true_group).mean()),
        group_accuracy_ci95=mean_ci95(estimated_group == true_group, person_ids, seed),
        group_mae={
            name: float(abs_error[true_group == i].mean())
            for i, name in enumerate(names)
            if (true_group == i).any()
        },
    )
