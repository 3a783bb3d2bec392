"""Data given as Python objects: any torch Dataset, or a sequence of images."""

from __future__ import annotations

from collections.abc import Sized
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, Metadata, UnreadableImage


class TorchDatasetAdapter(Dataset):
    """Wraps a torch Dataset of images, or of (image, label), as a ganzoo `Dataset`.

    Images may be PIL images, uint8 arrays or tensors [H, W, C] / [C, H, W], or float tensors
    [C, H, W] in [0, 1] or [-1, 1].
    """

    def __init__(self, items: Any, config: Any) -> None:
        super().__init__(config)
        if not hasattr(items, "__getitem__") or not isinstance(items, Sized) or not len(items):
            raise DataError(
                "data must be the name of a data set, or a non-empty torch Dataset with len()"
            )
        self.items: Any = items
        self.is_signed = self._has_negative_floats()

    def _has_negative_floats(self) -> bool:
        """Return whether the floats of the first images span [-1, 1] instead of [0, 1]."""
        first = [self._item_part(i, 0) for i in range(min(16, len(self.items)))]
        return any(isinstance(t, torch.Tensor) and bool((t < 0).any()) for t in first)

    def _item_part(self, index: int, part_index: int) -> Any:
        """Return the image (0) or the label (1) of an item."""
        item = self.items[index]
        if isinstance(item, tuple | list):
            return item[part_index] if part_index < len(item) else None
        return item if part_index == 0 else None

    @cached_property
    def labels(self) -> NDArray[np.int64] | None:
        """The labels of all items; None if the first has no label."""
        found = getattr(self.items, "targets", None)
        if found is None or len(found) != len(self.items):
            if self._item_part(0, 1) is None:
                return None
            found = [self._item_part(i, 1) for i in range(len(self.items))]
        labels = np.asarray(found)
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise DataError("labels must be class indices: one integer for each image")
        return labels.astype(np.int64)

    def metadata(self) -> Metadata:
        """Return the labels and the class names."""
        if self.labels is None:
            return Metadata(length=len(self.items))
        names = getattr(self.items, "classes", None) or range(int(self.labels.max()) + 1)
        return Metadata(
            length=len(self.items),
            labels=self.labels,
            class_names=tuple(str(name) for name in names),
        )

    def load_image(self, index: int) -> Image.Image | NDArray[np.uint8]:
        """Return one image as PIL or uint8 [H, W, C]."""
        image = self._item_part(index, 0)
        if isinstance(image, Image.Image):
            return image
        pixels = torch.as_tensor(image)
        if pixels.is_floating_point():
            pixels = (pixels + 1) * 127.5 if self.is_signed else pixels * 255
            pixels = pixels.round().clamp(0, 255).to(torch.uint8)
        if pixels.dtype != torch.uint8 or pixels.ndim not in {2, 3}:
            raise UnreadableImage(f"not an image: {tuple(pixels.shape)} {pixels.dtype}")
        if pixels.ndim == 3 and pixels.shape[0] in {1, 3} and pixels.shape[2] not in {1, 3}:
            pixels = pixels.permute(1, 2, 0)
        return pixels.squeeze(-1).contiguous().numpy()


def as_dataset(data: Any, config: Any) -> Dataset:
    """Return `data` as a ganzoo Dataset; wrap it if it is not one."""
    return data if isinstance(data, Dataset) else TorchDatasetAdapter(data, config)
