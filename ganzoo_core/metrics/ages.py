"""How far estimated ages are from the truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data import group_names, group_of
from ganzoo_core.errors import DataError
from ganzoo_core.metrics.bootstrap import mean_interval

WITHIN = (1, 3, 5, 10)
"""Years of the cumulative score."""


@dataclass(frozen=True, kw_only=True)
class AgeReport:
    """Errors in years."""

    images: int
    mae: float
    """Mean absolute error."""
    mae_interval: tuple[float, float]
    """95 %, over resamples of the people, or of the images where nobody is known."""
    bias: float
    """Mean of estimate - truth."""
    within: dict[str, float]
    """Cumulative score: share of the estimates at most so many years off."""
    group_accuracy: float
    """Share of the estimates that fall into the age group of the truth."""
    group_interval: tuple[float, float]
    group_mae: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def age_report(
    estimated: NDArray[Any],
    age: NDArray[Any],
    groups: tuple[int, ...],
    who: NDArray[Any] | None = None,
    seed: int = 0,
) -> AgeReport:
    """Compare estimated ages [N] with true ages [N].

    Args:
        groups: inclusive upper edges of the age groups.
        who: [N], equal for images of one person.

    Raises:
        DataError: an estimate is not finite, or there are none.
    """
    if not len(age):
        raise DataError("there are no ages to compare")
    if not np.isfinite(estimated).all():
        raise DataError(f"{int((~np.isfinite(estimated)).sum())} estimated ages are not finite")
    error = np.asarray(estimated, np.float64) - age
    off = np.abs(error)
    mine, theirs = group_of(np.asarray(estimated), groups), group_of(np.asarray(age), groups)
    names = group_names(groups)
    return AgeReport(
        images=len(age),
        mae=float(off.mean()),
        mae_interval=mean_interval(off, who, seed),
        bias=float(error.mean()),
        within={str(y): float((off <= y).mean()) for y in WITHIN},
        group_accuracy=float((mine == theirs).mean()),
        group_interval=mean_interval(mine == theirs, who, seed),
        group_mae={
            name: float(off[theirs == i].mean())
            for i, name in enumerate(names)
            if (theirs == i).any()
        },
    )
