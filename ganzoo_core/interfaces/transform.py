"""The interface of an image transform: what a data set applies to each image when it is decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Keypoints = Mapping[str, tuple[float, float]]
"""Named points (x, y) of an image, in fractions of its edges."""


class ImageTransform(ABC):
    """Changes each image of a data set before the center square is cropped and resized.

    ``data.transform=NAME`` selects one, and a plugin registers it with a `TransformSpec`. It is
    built without arguments, and called from several threads at once. Packed stores are named by
    `version` and `settings`, and pretrained folders record the settings, so that other images can
    be transformed as the training images were.
    """

    version: str = ""
    """Changes when the same image and settings give other pixels."""

    @abstractmethod
    def __call__(
        self, image: Image.Image | NDArray[np.uint8], keypoints: Keypoints, image_size: int
    ) -> Image.Image | NDArray[np.uint8]:
        """Return the transformed image, of any size; the same input gives the same pixels.

        Args:
            image: as `Dataset.load_image` returns it.
            keypoints: the points of the image that the data set knows (`Dataset.keypoints`).
            image_size: edge of the square that the result is cropped and resized to, in pixels.

        Raises:
            UnreadableImage: the image cannot be transformed, with the reason in a few words. It is
                counted and excluded.
        """

    def settings(self) -> dict[str, Any]:
        """Return plain JSON values that describe the result, such as the geometry of a crop."""
        return {}
