"""What a data plugin implements: a table of what is known, and one image at a time."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Table:
    """All that is known of N images before one of them is decoded; None = unknown to the data."""

    length: int
    """N."""
    labels: NDArray[np.int64] | None = None
    """[N] class indices."""
    classes: tuple[str, ...] = ()
    """Names of the class indices; what no terminal can show is escaped."""
    ages: NDArray[np.float32] | None = None
    """[N] years."""
    identities: NDArray[np.int64] | None = None
    """[N], equal for photographs of one person."""
    removed: tuple[tuple[str, int], ...] = ()
    """Filters and how many images each removed, in the order they ran."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(printable(name) for name in self.classes))


def printable(name: str) -> str:
    """Return a file's name in one line that any terminal can show, with escapes where need be."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


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
    eyes: tuple[tuple[float, float], tuple[float, float]] | None = None
    """Of faces that were cut out alike: (x, y) of both eyes in fractions of the edge. `data.align`
    then moves every picture by them, and looks for no face."""
    layouts: ClassVar[Mapping[str, str]] = {"folder": "ganzoo_core.data.export:write_folder"}
    """How `ganzoo data make` writes it: a name and ``module:function(dataset, out, progress)``."""

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

    def at_ages(
        self, indices: Sequence[int], ages: Sequence[float]
    ) -> list[Image.Image | NDArray[np.uint8]] | None:
        """Return images again with nothing changed but the age of the person, where that can be
        known (drawn data): the paired truth that ageing is held against; else None.

        Args:
            indices: [n], images of this set. ages: [n], years; both empty to ask whether it can.
        """
        return None

    def describe(self, index: int) -> str:
        """Return the name by which a person finds an image, such as its file's."""
        return str(index)

    def source(self) -> str:
        """Return a fingerprint of the files behind the data: names, sizes and times of change.

        With the options and `version` it names the packed store, so it must change with the data.
        """
        if not self.config.path:
            return ""
        path = Path(self.config.path).expanduser()
        digest = hashlib.sha256()
        try:
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
            for file in files:
                seen, name = file.stat(), file.relative_to(path.parent)
                digest.update(
                    f"{name}\0{seen.st_size}\0{seen.st_mtime_ns}\n".encode(errors="surrogateescape")
                )
        except OSError as error:
            raise DataError(
                f"{error.filename or path}: {error.strerror}; is it being moved?"
            ) from None
        return digest.hexdigest()
