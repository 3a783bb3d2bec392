"""What a data plugin implements: a table of what is known, and one image at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Table:
    """All that is known of N images before one of them is decoded; None = unknown to the data."""

    length: int
    """N."""
    labels: NDArray[np.int64] | None = None
    """[N] class indices."""
    classes: tuple[str, ...] = ()
    """Names of the class indices."""
    ages: NDArray[np.float32] | None = None
    """[N] years."""
    identities: NDArray[np.int64] | None = None
    """[N], equal for photographs of one person."""
    removed: tuple[tuple[str, int], ...] = ()
    """Filters and how many images each removed, in the order they ran."""


class UnreadableImage(Exception):
    """One image cannot be decoded: it is counted and listed, and the rest goes on."""


class Dataset(ABC):
    """A finite set of images. The core decodes it once, in parallel, into uint8 at one size.

    The constructor takes the data set's `DataConfig` and raises `DataError` for a path that is
    missing or not what it reads. It opens and lists; it does not decode.
    """

    license: str = ""
    """Terms of use; models trained on the data carry them in their card."""
    example: str = ""
    """A path for `--data NAME:PATH` in messages."""
    version: str = ""
    """Of drawn data: changes when the same options give other pixels. Weights record it."""
    layouts: ClassVar[Mapping[str, str]] = {"folder": "ganzoo_core.data.export:write_folder"}
    """How `ganzoo data make` can write it: a name, and ``module:function(dataset, out, progress)``."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def table(self) -> Table:
        """Return what is known of every image."""

    @abstractmethod
    def image(self, index: int) -> Image.Image | NDArray[np.uint8]:
        """Return one image: a PIL image or uint8 [H, W, 3] (or [H, W]) of any size.

        Called from several threads at once.

        Raises:
            UnreadableImage: with the reason in a few words.
        """

    def images(self, indices: Sequence[int]) -> list[Image.Image | NDArray[np.uint8]] | None:
        """Return many images in one call, where that is faster (drawn data); else None."""
        return None
