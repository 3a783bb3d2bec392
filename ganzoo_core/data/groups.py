"""Age groups: edges cut ages into labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def group_names(edges: tuple[int, ...]) -> tuple[str, ...]:
    """Name the groups that inclusive upper edges cut: (18, 29) -> ("0-18", "19-29", "30+")."""
    lows = [0, *(edge + 1 for edge in edges)]
    inner = [f"{low}-{high}" for low, high in zip(lows, edges, strict=False)]
    return (*inner, f"{lows[-1]}+")


def group_of(ages: NDArray[np.float32], edges: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the group index of each age in years; an age on an edge belongs below it.

    An age counts in whole years, as people say it: 18.9 is eighteen.
    """
    return np.digitize(np.floor(ages), edges, right=True).astype(np.int64)
