"""Base class of the data sets: list, filter, split and decode image files."""

from __future__ import annotations

import unicodedata
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.data.archive import FileSource, open_files, summarize_rejected
from ganzoo_core.data.image_decoding import IMAGE_SUFFIXES, decode_image
from ganzoo_core.data.splits import split_mask
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, Metadata, UnreadableImage
from ganzoo_faces.config import ImageFilesConfig


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """One image file and its metadata."""

    path: str
    """Path in the folder or archive."""
    stable_key: str
    """Identifies the image in every copy of the data; used for splits by image."""
    age: float | None = None
    """Years."""
    identity: str | None = None
    label: str | None = None


class ImageFilesDataset(Dataset):
    """A data set of image files. Subclasses implement `iter_records`."""

    record_fields: tuple[str, ...] = ()
    """Which of age, identity, label every record has."""

    def __init__(self, config: ImageFilesConfig) -> None:
        super().__init__(config)
        if not config.path:
            raise DataError(
                f"{self.cli_name} needs a path: --data {self.cli_name}:{self.example_path}"
            )
        self.removed: dict[str, int] = {}
        self.files = self.open_source()
        rows = self._drop_duplicates(self.iter_records())
        # numbered before filtering, so that all splits have the same numbers
        self.identity_names = tuple(
            sorted({row.identity for row in rows if row.identity is not None})
        )
        self.class_names = self.order_class_names(
            {row.label for row in rows if row.label is not None}
        )
        self.records = self.filter_split(self._filter_ages(rows))
        if not self.records:
            is_split = self.removed.get(f"not in the {config.split} split")
            hint = (
                "give more images, another data.test_share, or --set data.split=all"
                if is_split
                else self.empty_hint
            )
            raise DataError(f"{config.path}: no image is left{self._removed_summary()}; {hint}")

    @property
    def cli_name(self) -> str:
        """The name of the data set on the command line."""
        return self.config.name or type(self).__name__.lower()

    empty_hint: ClassVar[str] = "is it the right folder or archive?"
    """The remedy in the message when no image is left."""

    @abstractmethod
    def iter_records(self) -> Iterator[ImageRecord]:
        """Yield the images; call `count_removed` for those that cannot be used."""

    def open_source(self) -> FileSource:
        """Open the folder or archive."""
        return open_files(self.config.path)

    def count_removed(self, reason: str, count: int = 1) -> None:
        """Count removed files by reason."""
        self.removed[reason] = self.removed.get(reason, 0) + count

    def iter_image_paths(self) -> Iterator[PurePosixPath]:
        """Yield the paths of image files, sorted."""
        for why in self.files.rejected.values():
            self.count_removed(f"rejected, {why}")
        for name in sorted(self.files.names):
            path = PurePosixPath(name)
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                self.count_removed("not image files")
            elif any(part.startswith((".", "__MACOSX")) for part in path.parts):
                self.count_removed("hidden files")
            else:
                yield path

    def _drop_duplicates(self, rows: Iterable[ImageRecord]) -> list[ImageRecord]:
        first: dict[str, ImageRecord] = {}
        for row in rows:
            if first.setdefault(row.stable_key, row) is not row:
                self.count_removed("another file of the same name")
        return list(first.values())

    def _filter_ages(self, rows: list[ImageRecord]) -> list[ImageRecord]:
        if "age" not in self.record_fields:
            return rows
        low, high = self.config.min_age, self.config.max_age
        ages = [row.age for row in rows if row.age is not None]
        self.count_removed(f"age below {low:g}", sum(age < low for age in ages))
        self.count_removed(f"age above {high:g}", sum(age > high for age in ages))
        return [row for row in rows if row.age is not None and low <= row.age <= high]

    def order_class_names(self, names: set[str]) -> tuple[str, ...]:
        """Return the names of the classes in order: by value if all are integers, else as text."""
        if all(name.isascii() and name.isdigit() and len(name) < 20 for name in names):
            return tuple(sorted(names, key=lambda name: (int(name), name)))
        return tuple(sorted(names))

    def filter_split(self, rows: list[ImageRecord]) -> list[ImageRecord]:
        """Return the rows of the split, by a hash of the person or the image."""
        if self.config.split == "all" or not rows:
            return rows
        keys = [row.stable_key if row.identity is None else row.identity for row in rows]
        stays = split_mask(keys, self.config.split, self.config.test_share)
        self.count_removed(f"not in the {self.config.split} split", int((~stays).sum()))
        return [row for row, stay in zip(rows, stays.tolist(), strict=True) if stay]

    def _removed_summary(self) -> str:
        """Return `` (reason: count, ...)``, or an empty string."""
        counts = [f"{reason}: {count}" for reason, count in self.removed.items() if count]
        return f" ({', '.join(counts)})" if counts else summarize_rejected(self.files.rejected)

    def metadata(self) -> Metadata:
        """Return ages in years, and people and classes as indices of their sorted names."""
        rows, ages, people, labels = self.records, None, None, None
        if "age" in self.record_fields:
            ages = np.array([row.age for row in rows], np.float32)
        if "identity" in self.record_fields:
            people = _values_to_indices([row.identity for row in rows], self.identity_names)
        if "label" in self.record_fields:
            labels = _values_to_indices([row.label for row in rows], self.class_names)
        return Metadata(
            length=len(rows),
            ages=ages,
            identities=people,
            labels=labels,
            class_names=self.class_names,
            removed=tuple(self.removed.items()),
        )

    def load_image(self, index: int) -> Image.Image:
        """Return one image, grayscale or RGB, upright.

        Raises:
            UnreadableImage: empty, truncated, not an image, too large, or below `min_size`.
        """
        try:
            data = self.files.read(self.records[index].path)
        except DataError as error:
            raise UnreadableImage(str(error)) from None
        return decode_image(data, target_size=self.config.image_size, min_size=self.config.min_size)

    def sample_name(self, index: int) -> str:
        """Return the path of an image in the folder or archive."""
        return self.records[index].path


def _values_to_indices(values: list[str | None], names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return [N] the index of each value in `names`."""
    index_of = {name: index for index, name in enumerate(names)}
    return np.array([index_of[value] for value in values if value is not None], np.int64)


def normalize_nfc(text: str) -> str:
    """Return text in Unicode NFC; macOS writes file names in NFD."""
    return unicodedata.normalize("NFC", text)
