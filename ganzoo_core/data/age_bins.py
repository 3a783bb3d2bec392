"""Age bins: edges that turn ages into labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.errors import UsageError

if TYPE_CHECKING:
    from ganzoo_core.interfaces import Metadata


@dataclass(frozen=True)
class AgeBins:
    """Bins of ages in whole years."""

    upper_edges: tuple[int, ...]
    """Inclusive upper edges; the last bin has no upper edge."""
    min_age: int = 0
    """Younger people are left out, so that infants are not mixed with 30-year-olds."""


PUBLISHED_AGE_BINS: Mapping[str, AgeBins] = {
    "report": AgeBins((18, 29, 39, 49, 59)),
    "pfa-4": AgeBins((30, 40, 50), min_age=16),
    "pfa-5": AgeBins((20, 30, 40, 50), min_age=16),
    "pfa-7": AgeBins((10, 20, 30, 40, 50, 60)),
}
"""report: srikaran-p/AI2100---Project. pfa: Huang et al., "PFA-GAN", 2020."""


def find_age_problem(metadata: Metadata) -> str:
    """Return what is wrong with the ages of metadata that a data set provides; empty if nothing
    is."""
    ages = metadata.ages
    is_valid = ages is None or (ages.min() >= 0 and ages.max() < 150)
    return "" if is_valid else "ages must be years, 0 to 120"


def age_bin_names(upper_edges: tuple[int, ...]) -> tuple[str, ...]:
    """Return the bin names for inclusive upper edges: (18, 29) -> ("0-18", "19-29", "30+").

    Raises:
        UsageError: the edges do not increase.
    """
    if any(high <= low for low, high in pairwise((-1, *upper_edges))):
        raise UsageError(
            f"age bins: upper edges must increase from one to the next, not {list(upper_edges)}"
        )
    lows = [0, *(edge + 1 for edge in upper_edges)]
    inner = [f"{low}-{high}" for low, high in zip(lows, upper_edges, strict=False)]
    return (*inner, f"{lows[-1]}+")


def assign_age_bins(
    ages: NDArray[np.float32] | NDArray[np.float64], upper_edges: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return the bin index of each age in years; an age on an edge belongs to the lower bin.

    Ages are rounded down to whole years first: 18.9 counts as 18.
    """
    return np.digitize(np.floor(ages), upper_edges, right=True).astype(np.int64)


def parse_age_bins(text: str) -> AgeBins:
    """Return age bins from upper edges such as ``18,29,39``, or from the name of published bins.

    Raises:
        UsageError: no such name, or years that do not increase.
    """
    if text in PUBLISHED_AGE_BINS:
        return PUBLISHED_AGE_BINS[text]
    try:
        edges = [int(word) for word in text.split(",") if word.strip()]
    except ValueError:
        names = ", ".join(PUBLISHED_AGE_BINS)
        raise UsageError(
            f"--age-bins {text!r}: give years, such as 18,29,39,49,59, or one of {names}"
        ) from None
    if edges != sorted(set(edges)) or any(edge < 0 for edge in edges):
        raise UsageError(f"--age-bins {text!r}: give increasing years, such as 18,29,39,49,59")
    return AgeBins(tuple(edges))
