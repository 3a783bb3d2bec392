"""Age groups: edges cut ages into labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.errors import UsageError


@dataclass(frozen=True)
class AgeGroups:
    """Groups of ages in whole years."""

    edges: tuple[int, ...]
    """Inclusive upper edges; beyond the last one follows the oldest group."""
    youngest: int = 0
    """Who is younger is left out, so that infants are not mixed with thirty-year-olds."""


PUBLISHED: Mapping[str, AgeGroups] = {
    "report": AgeGroups((18, 29, 39, 49, 59)),
    "pfa-4": AgeGroups((30, 40, 50), youngest=16),
    "pfa-5": AgeGroups((20, 30, 40, 50), youngest=16),
    "pfa-7": AgeGroups((10, 20, 30, 40, 50, 60)),
}
"""report: srikaran-p/AI2100---Project. pfa: Huang et al., "PFA-GAN", 2020."""


def group_names(edges: tuple[int, ...]) -> tuple[str, ...]:
    """Name the groups that inclusive upper edges cut: (18, 29) -> ("0-18", "19-29", "30+").

    Raises:
        UsageError: the edges do not rise.
    """
    if any(high <= low for low, high in pairwise((-1, *edges))):
        raise UsageError(f"model.groups: upper edges rise from one to the next, not {list(edges)}")
    lows = [0, *(edge + 1 for edge in edges)]
    inner = [f"{low}-{high}" for low, high in zip(lows, edges, strict=False)]
    return (*inner, f"{lows[-1]}+")


def group_of(ages: NDArray[np.float32], edges: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the group index of each age in years; an age on an edge belongs below it.

    An age counts in whole years, as people say it: 18.9 is eighteen.
    """
    return np.digitize(np.floor(ages), edges, right=True).astype(np.int64)
