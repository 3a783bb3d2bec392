"""Ground truth for age editing: rendered faces, rendered again at other ages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.subset import Subset
from ganzoo_core.interfaces import Dataset, Metadata


@runtime_checkable
class SupportsRenderingAtAges(Protocol):
    """A data set that can render its images again, with only the age of the person changed."""

    def render_at_ages(self, indices: Sequence[int], ages: Sequence[float]) -> list[Any]:
        """Return images [n] as `Dataset.load_images` does.

        Args:
            indices: [n] images of the data set.
            ages: [n] years.
        """


def renders_ages(dataset: Dataset) -> bool:
    """Return whether a data set renders its images at other ages."""
    return isinstance(dataset, SupportsRenderingAtAges)


class AgeShiftedSubset(Subset):
    """Ground truth for age editing: the same faces rendered again at other ages.

    Args:
        parent: a data set with `render_at_ages`, see `SupportsRenderingAtAges`.
        indices: [n] indices of images of `parent`.
        ages: [n] years, the age at which each image is rendered.
    """

    def __init__(
        self, parent: Dataset, indices: NDArray[np.int64], ages: NDArray[np.float32]
    ) -> None:
        super().__init__(parent, indices)
        self.ages = np.asarray(ages, np.float32)

    def metadata(self) -> Metadata:
        """Return the metadata of the subset, with the new ages."""
        return replace(super().metadata(), ages=self.ages)

    def load_image(self, index: int) -> Any:
        """Render one image."""
        return self.load_images([index])[0]

    def load_images(self, indices: Sequence[int]) -> Any:
        """Render many images at once."""
        parent: Any = self.parent
        rows = [int(self.indices[index]) for index in indices]
        return parent.render_at_ages(rows, [float(self.ages[index]) for index in indices])

    def fingerprint(self) -> str:
        """Return the fingerprint of the parent, the indices and the ages."""
        return f"{super().fingerprint()} {hashlib.sha256(self.ages.tobytes()).hexdigest()}"
