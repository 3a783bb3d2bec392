"""A data set made of some images of another one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.interfaces import Dataset, Keypoints, Metadata


class Subset(Dataset):
    """Some images of a data set, in the order given; only these are decoded.

    Args:
        parent: the whole data set.
        indices: [n] indices of images of `parent`.
    """

    def __init__(self, parent: Dataset, indices: NDArray[np.int64]) -> None:
        super().__init__(parent.config)
        self.parent, self.indices = parent, np.asarray(indices, np.int64)
        self.license, self.version = parent.license, parent.version

    def metadata(self) -> Metadata:
        """Return the metadata of the subset."""
        return self.parent.metadata().select(self.indices)

    def load_image(self, index: int) -> Any:
        """Return one image."""
        return self.parent.load_image(int(self.indices[index]))

    def load_images(self, indices: Sequence[int]) -> Any:
        """Return many images, if the parent supports it."""
        return self.parent.load_images([int(self.indices[index]) for index in indices])

    def keypoints(self, index: int) -> Keypoints:
        """Return the points of an image in the parent."""
        return self.parent.keypoints(int(self.indices[index]))

    def sample_name(self, index: int) -> str:
        """Return the name of an image in the parent."""
        return self.parent.sample_name(int(self.indices[index]))

    def fingerprint(self) -> str:
        """Return the fingerprint of the parent and of the indices."""
        return f"{self.parent.fingerprint()} {hashlib.sha256(self.indices.tobytes()).hexdigest()}"
