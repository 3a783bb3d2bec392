"""The interface of a data set: metadata of all images, and one image at a time."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.errors import DataError
from ganzoo_core.interfaces.transform import Keypoints
from ganzoo_core.limits import LABEL_LENGTH


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The metadata of N images, read before any of them is decoded. None: the data lack it."""

    length: int
    """N."""
    labels: NDArray[np.int64] | None = None
    """[N] class indices."""
    class_names: tuple[str, ...] = ()
    """Names of the classes, by index; unprintable characters are escaped. A name beyond
    `limits.LABEL_LENGTH` is a `DataError`."""
    ages: NDArray[np.float32] | None = None
    """[N] years."""
    identities: NDArray[np.int64] | None = None
    """[N], equal for photographs of the same person."""
    removed: tuple[tuple[str, int], ...] = ()
    """(filter, number of images it removed), in the order in which the filters ran."""

    def __post_init__(self) -> None:
        names = tuple(escape_unprintable(name) for name in self.class_names)
        for name in names:
            if len(name) > LABEL_LENGTH:
                raise DataError(
                    f"the class {name[:40]!r}... has a name of {len(name):,} characters: "
                    f"at most {LABEL_LENGTH}"
                )
        object.__setattr__(self, "class_names", names)

    @property
    def columns(self) -> dict[str, NDArray[Any] | None]:
        """The columns by their `Batch` field."""
        return {"label": self.labels, "age": self.ages, "identity": self.identities}

    def select(self, indices: NDArray[np.int64]) -> Metadata:
        """Return the metadata of some of the images, [n] indices."""
        columns: Any = (None if c is None else c[indices] for c in self.columns.values())
        labels, ages, identities = columns
        return replace(
            self,
            length=len(indices),
            labels=labels,
            ages=ages,
            identities=identities,
            removed=(),
        )


def escape_unprintable(name: str) -> str:
    """Return a name with unprintable characters escaped, on one line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


class UnreadableImage(Exception):
    """One image cannot be decoded. It is counted and listed, and the others are still read."""


class Dataset(ABC):
    """A finite set of images. The core decodes it once, in parallel, into uint8 at one size.

    The constructor receives the data set's `DataConfig`. It opens and lists files, and decodes
    none; it raises `DataError` for a path that is missing or in another format.
    """

    license: str = ""
    """Terms of use; the card of a model that was trained on the data repeats them."""
    example_path: str = ""
    """A path for messages that suggest `--data NAME:PATH`."""
    version: str = ""
    """Version of the renderer: it changes when the same options give other pixels.
    Pretrained folders record it."""
    exporters: ClassVar[Mapping[str, str]] = {
        "folder": "ganzoo_core.data.export:write_image_folder"
    }
    """Formats of `ganzoo data export`: name to ``module:function(dataset, out, progress)``."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def metadata(self) -> Metadata:
        """Return the metadata of all images."""

    @abstractmethod
    def load_image(self, index: int) -> Image.Image | NDArray[np.uint8]:
        """Return one image: a PIL image or uint8 [H, W, 3] (or [H, W]) of any size.

        It is called from several threads at once.

        Raises:
            UnreadableImage: with the reason in a few words.
        """

    def load_images(self, indices: Sequence[int]) -> list[Image.Image | NDArray[np.uint8]] | None:
        """Return many images in one call, where that is faster (rendered data); else None."""
        return None

    def keypoints(self, index: int) -> Keypoints:
        """Return the known points of an image for the image transform (`data.transform`), by
        name."""
        return {}

    def sample_name(self, index: int) -> str:
        """Return a name by which a person can find an image, such as its file name."""
        return str(index)

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and modification times of the files.

        Together with the options and `version` it identifies the packed store, so it must change
        with the data.
        """
        if not self.config.path:
            return ""
        path = Path(self.config.path).expanduser()
        digest = hashlib.sha256()
        try:
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
            for file in files:
                stat, name = file.stat(), file.relative_to(path.parent)
                digest.update(
                    f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape")
                )
        except OSError as error:
            raise DataError(
                f"{error.filename or path}: {error.strerror}; is it being moved?"
            ) from None
        return digest.hexdigest()
