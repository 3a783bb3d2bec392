"""Base class of the small-image data sets: find or download files, and return array rows."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.archive import short_error_message
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, Metadata
from ganzoo_torchvision_data.download import RemoteFile, download_files

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


class ArrayDataset(Dataset):
    """A data set in arrays. Subclasses list the files and read them."""

    class_names: ClassVar[tuple[str, ...]]
    search_folders: ClassVar[tuple[str, ...]]
    """Subfolders that may contain the files; a download goes into the last one."""
    download_page: ClassVar[str]
    """The web page of the files."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.root = dataset_root(config.path, self.cli_name, self.example_path)
        self.source_files: list[Path] = []
        try:
            parts = self.load_parts()
        except OSError as error:
            raise DataError(
                f"{error.filename or self.root}: {short_error_message(error)}"
            ) from None
        self.pixels = [pixels for pixels, _ in parts]
        self.labels = np.concatenate([labels for _, labels in parts])
        self.part_offsets = np.cumsum([0, *(len(labels) for _, labels in parts)])

    @property
    def cli_name(self) -> str:
        """The name of the data set on the command line."""
        return self.config.name or type(self).__name__.lower()

    @abstractmethod
    def load_parts(self) -> list[tuple[Pixels, Labels]]:
        """Return [n, ...] pixels and [n] labels for each file of the split."""

    @abstractmethod
    def remote_files(self) -> Sequence[RemoteFile]:
        """Return the files that can be downloaded."""

    def find_or_download(self, *names: str) -> Path:
        """Return the first existing file of these names; download it with `data.download`.

        Raises:
            DataError: not found; the message has the web page and the folder for it.
        """
        path = self.find_file(names)
        if path is None and self.config.download:
            home = self.root / self.search_folders[-1]
            download_files(
                [file for file in self.remote_files() if file.name in names], home, self.cli_name
            )
            path = self.find_file(names)
        if path is None:
            raise DataError(
                f"{self.cli_name}: {self.root} contains no {names[0]}{self.missing_file_hint()}; "
                f"download it from {self.download_page} into "
                f"{self.root / self.search_folders[-1]}, or use --set data.download=true"
            )
        self.source_files.append(path)
        return path

    def find_file(self, names: Sequence[str]) -> Path | None:
        """Return the first existing file in the search folders; no folder is listed."""
        places = (self.root / folder / name for folder in self.search_folders for name in names)
        return next((path for path in places if path.is_file()), None)

    def missing_file_hint(self) -> str:
        """Return a hint for the message about a missing file."""
        return ""

    def check_labels(self, labels: Labels, path: str) -> Labels:
        """Return the labels; raise a DataError if one is out of range."""
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.class_names):
            raise DataError(
                f"{path}: labels from {labels.min()} to {labels.max()}, not 0 to 9; "
                "download it again"
            )
        return labels

    def metadata(self) -> Metadata:
        """Return the labels and the class names."""
        return Metadata(length=len(self.labels), labels=self.labels, class_names=self.class_names)

    def load_image(self, index: int) -> Pixels:
        """Return one image, uint8 [H, W] or [H, W, 3]."""
        part = int(np.searchsorted(self.part_offsets, index, "right")) - 1
        return self.to_hwc(self.pixels[part], index - int(self.part_offsets[part]))

    def to_hwc(self, pixels: Pixels, row: int) -> Pixels:
        """Return one image of a part."""
        found: Pixels = pixels[row]
        return found

    def fingerprint(self) -> str:
        """Return a fingerprint of the files of the split."""
        return files_fingerprint(self.source_files)


def dataset_root(path: str, title: str, example: str) -> Path:
    """Return the path with `~` expanded; raise a DataError if it is empty."""
    if not path:
        raise DataError(f"{title} needs a path: --data {title}:{example}")
    return Path(path).expanduser()


def files_fingerprint(files: Sequence[Path]) -> str:
    """Return a hash of names, sizes and modification times."""
    digest = hashlib.sha256()
    for file in files:
        file_stat = file.stat()
        digest.update(f"{file.name!r} {file_stat.st_size} {file_stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
