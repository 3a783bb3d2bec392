"""What the sets of small pictures share: find files, fetch them, hand out rows of an array."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.archive import plain
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, Table
from ganzoo_torchvision_data.download import Remote, fetch

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Arrays(Dataset):
    """The base: a data set says which files there are and reads them into arrays."""

    classes: ClassVar[tuple[str, ...]]
    folders: ClassVar[tuple[str, ...]]
    """Where below the path the files may lie; a download goes into the last."""
    page: ClassVar[str]
    """Where a person finds the files."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.root = root_of(config.path, self.title, self.example)
        self.used: list[Path] = []
        try:
            parts = self.parts()
        except OSError as error:
            raise DataError(f"{error.filename or self.root}: {plain(error)}") from None
        self.pixels = [pixels for pixels, _ in parts]
        self.labels = np.concatenate([labels for _, labels in parts])
        self.starts = np.cumsum([0, *(len(labels) for _, labels in parts)])

    @property
    def title(self) -> str:
        """The name on the command line."""
        return self.config.name or type(self).__name__.lower()

    @abstractmethod
    def parts(self) -> list[tuple[Pixels, Labels]]:
        """Read the files of the split: for each part [n, ...] pixels and [n] labels."""

    @abstractmethod
    def remote(self) -> Sequence[Remote]:
        """Return what can be downloaded."""

    def file(self, *names: str) -> Path:
        """Return the first file of these names, downloaded if that is wished.

        Raises:
            DataError: there is none; the message says where to get it and where to put it.
        """
        path = self.find(names)
        if path is None and self.config.download:
            home = self.root / self.folders[-1]
            fetch([file for file in self.remote() if file.name in names], home, self.title)
            path = self.find(names)
        if path is None:
            raise DataError(
                f"{self.title}: {self.root} holds no {names[0]}{self.hint()}; fetch it from "
                f"{self.page} into {self.root / self.folders[-1]}, or --set data.download=true"
            )
        self.used.append(path)
        return path

    def find(self, names: Sequence[str]) -> Path | None:
        """Look for a file in the known places; nothing is listed, so a large root costs nothing."""
        places = (self.root / folder / name for folder in self.folders for name in names)
        return next((path for path in places if path.is_file()), None)

    def hint(self) -> str:
        """Return more about what is missing, for the message."""
        return ""

    def checked(self, labels: Labels, where: str) -> Labels:
        """Refuse labels beyond the classes."""
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise DataError(
                f"{where}: labels run from {labels.min()} to {labels.max()}, not 0 to 9"
            )
        return labels

    def table(self) -> Table:
        """Return the labels and the names of the classes."""
        return Table(length=len(self.labels), labels=self.labels, classes=self.classes)

    def image(self, index: int) -> Pixels:
        """Return one picture, uint8 [H, W] or [H, W, 3]."""
        part = int(np.searchsorted(self.starts, index, "right")) - 1
        return self.picture(self.pixels[part], index - int(self.starts[part]))

    def picture(self, pixels: Pixels, row: int) -> Pixels:
        """Return one picture of a part."""
        found: Pixels = pixels[row]
        return found

    def source(self) -> str:
        """Return a fingerprint of the files that were read."""
        return fingerprint(self.used)


def root_of(path: str, title: str, example: str) -> Path:
    """Return the path as given, `~` understood."""
    if not path:
        raise DataError(f"{title} needs a path: --data {title}:{example}")
    return Path(path).expanduser()


def fingerprint(files: Sequence[Path]) -> str:
    """Return a hash of names, sizes and times of change."""
    digest = hashlib.sha256()
    for file in files:
        seen = file.stat()
        digest.update(f"{file.name!r} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    return digest.hexdigest()
