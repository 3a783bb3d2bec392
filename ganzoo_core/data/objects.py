"""Data handed over as Python objects: any torch Dataset, or images as an array."""

from __future__ import annotations

from collections.abc import Sized
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, Table, UnreadableImage


class ObjectDataset(Dataset):
    """A torch Dataset of images, or of (image, label), as a ganzoo `Dataset`.

    Images may be PIL images, uint8 arrays or tensors [H, W, C] / [C, H, W], or float tensors
    [C, H, W] in [0, 1] or [-1, 1].
    """

    def __init__(self, items: Any, config: Any) -> None:
        super().__init__(config)
        if not hasattr(items, "__getitem__") or not isinstance(items, Sized) or not len(items):
            raise DataError(
                "data must be a data set's name, or a non-empty torch Dataset with len()"
            )
        self.items: Any = items
        self.negative = self.signed()

    def signed(self) -> bool:
        """Tell from the first images whether floats span [-1, 1] or [0, 1]."""
        first = [self.part(i, 0) for i in range(min(16, len(self.items)))]
        return any(isinstance(t, torch.Tensor) and bool((t < 0).any()) for t in first)

    def part(self, index: int, which: int) -> Any:
        """Return the image (0) or the label (1) of an item."""
        item = self.items[index]
        if isinstance(item, tuple | list):
            return item[which] if which < len(item) else None
        return item if which == 0 else None

    @cached_property
    def labels(self) -> NDArray[np.int64] | None:
        """The labels of all items, where the first has one."""
        found = getattr(self.items, "targets", None)
        if found is None or len(found) != len(self.items):
            if self.part(0, 1) is None:
                return None
            found = [self.part(i, 1) for i in range(len(self.items))]
        labels = np.asarray(found)
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise DataError("labels must be class indices: one whole number for each image")
        return labels.astype(np.int64)

    def table(self) -> Table:
        """Return labels and their names."""
        if self.labels is None:
            return Table(length=len(self.items))
        names = getattr(self.items, "classes", None) or range(int(self.labels.max()) + 1)
        return Table(
            length=len(self.items), labels=self.labels, classes=tuple(str(name) for name in names)
        )

    def image(self, index: int) -> Image.Image | NDArray[np.uint8]:
        """Return one image as PIL or uint8 [H, W, C]."""
        image = self.part(index, 0)
        if isinstance(image, Image.Image):
            return image
        pixels = torch.as_tensor(image)
        if pixels.is_floating_point():
            pixels = (pixels + 1) * 127.5 if self.negative else pixels * 255
            pixels = pixels.round().clamp(0, 255).to(torch.uint8)
        if pixels.dtype != torch.uint8 or pixels.ndim not in {2, 3}:
            raise UnreadableImage(f"not an image: {tuple(pixels.shape)} {pixels.dtype}")
        if pixels.ndim == 3 and pixels.shape[0] in {1, 3} and pixels.shape[2] not in {1, 3}:
            pixels = pixels.permute(1, 2, 0)
        return pixels.squeeze(-1).contiguous().numpy()


def wrap(data: Any, config: Any) -> Dataset:
    """Return `data` itself if it is a ganzoo Dataset, else wrapped as one."""
    return data if isinstance(data, Dataset) else ObjectDataset(data, config)
