"""A part of a data set, and the same faces at other ages: data sets made of others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.interfaces import Dataset, Table


class Part(Dataset):
    """Some images of a data set, in the order given; only they are ever decoded.

    Args:
        rows: [n] indices of images.
    """

    def __init__(self, whole: Dataset, rows: NDArray[np.int64]) -> None:
        super().__init__(whole.config)
        self.whole, self.rows = whole, np.asarray(rows, np.int64)
        self.license, self.version = whole.license, whole.version

    def table(self) -> Table:
        """Return the rows of the whole table."""
        whole = self.whole.table()
        cut: dict[str, Any] = {
            name: None if (column := getattr(whole, name)) is None else column[self.rows]
            for name in ("labels", "ages", "identities")
        }
        return replace(whole, length=len(self.rows), removed=(), **cut)

    def image(self, index: int) -> Any:
        """Return one image of the whole."""
        return self.whole.image(int(self.rows[index]))

    def images(self, indices: Sequence[int]) -> Any:
        """Return many images of the whole, where it can."""
        return self.whole.images([int(self.rows[index]) for index in indices])

    def describe(self, index: int) -> str:
        """Return the name of an image in the whole."""
        return self.whole.describe(int(self.rows[index]))

    def source(self) -> str:
        """Return the fingerprint of the whole and of the rows."""
        return f"{self.whole.source()} {hashlib.sha256(self.rows.tobytes()).hexdigest()}"


class Elsewhen(Part):
    """The paired truth: images of a data set that can draw them again at other ages.

    Args:
        rows: [n] indices of images. ages: [n] years, at which each is drawn.
    """

    def __init__(self, whole: Dataset, rows: NDArray[np.int64], ages: NDArray[np.float32]) -> None:
        super().__init__(whole, rows)
        self.ages = np.asarray(ages, np.float32)

    def table(self) -> Table:
        """Return the rows of the whole table, with the new ages."""
        return replace(super().table(), ages=self.ages)

    def image(self, index: int) -> Any:
        """Draw one image."""
        return self.images([index])[0]

    def images(self, indices: Sequence[int]) -> Any:
        """Draw many images at once."""
        rows = [int(self.rows[index]) for index in indices]
        return self.whole.at_ages(rows, [float(self.ages[index]) for index in indices])

    def source(self) -> str:
        """Return the fingerprint of the whole, the rows and the ages."""
        return f"{super().source()} {hashlib.sha256(self.ages.tobytes()).hexdigest()}"
