"""What the data sets share: list, filter, split, count, decode."""

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

from ganzoo_core.data.archive import Files, open_files, refusals
from ganzoo_core.data.picture import SUFFIXES, decode
from ganzoo_core.data.splits import on_side
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, Table, UnreadableImage
from ganzoo_faces.config import PicturesConfig


@dataclass(frozen=True, kw_only=True)
class Row:
    """One picture and what is known of it before it is decoded."""

    name: str
    """In the folder or archive."""
    key: str
    """What makes it the same picture in every copy of the data; the split by picture goes by it."""
    age: float | None = None
    """Years."""
    person: str | None = None
    label: str | None = None


class Pictures(Dataset):
    """The base: a data set says by `rows` which pictures there are; the rest is done here."""

    gives: tuple[str, ...] = ()
    """Which of age, person, label every row has."""

    def __init__(self, config: PicturesConfig) -> None:
        super().__init__(config)
        if not config.path:
            raise DataError(f"{self.title} needs a path: --data {self.title}:{self.example}")
        self.removed: dict[str, int] = {}
        self.files = self.opened()
        rows = self.unique(self.rows())
        # Numbered before anything is filtered: numbers are the same on both sides of a split.
        self.people = tuple(sorted({row.person for row in rows if row.person is not None}))
        self.classes = in_order({row.label for row in rows if row.label is not None})
        self.listed = self.side(self.of_age(rows))
        if not self.listed:
            raise DataError(f"{config.path}: no picture is left{self.reasons()}; {self.advice}")

    @property
    def title(self) -> str:
        """The name on the command line."""
        return self.config.name or type(self).__name__.lower()

    advice: ClassVar[str] = "is it the right folder or archive?"
    """What to do when no picture is left."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Yield the pictures, noting by `drop` those that cannot be used."""

    def opened(self) -> Files:
        """Open the folder or archive."""
        return open_files(self.config.path)

    def drop(self, reason: str, count: int = 1) -> None:
        """Count what is left out."""
        self.removed[reason] = self.removed.get(reason, 0) + count

    def pictures(self) -> Iterator[PurePosixPath]:
        """Yield the files that are pictures by their names, in the order of their names."""
        for why in self.files.refused.values():
            self.drop(f"refused, {why}")
        for name in sorted(self.files.names):
            path = PurePosixPath(name)
            if path.suffix.lower() not in SUFFIXES:
                self.drop("files that are no pictures by their names")
            elif any(part.startswith((".", "__MACOSX")) for part in path.parts):
                self.drop("hidden files")
            else:
                yield path

    def unique(self, rows: Iterable[Row]) -> list[Row]:
        """Leave out further copies of a picture."""
        first: dict[str, Row] = {}
        for row in rows:
            if first.setdefault(row.key, row) is not row:
                self.drop("another file of the same name")
        return list(first.values())

    def of_age(self, rows: list[Row]) -> list[Row]:
        """Leave out ages beyond what the options allow."""
        if "age" not in self.gives:
            return rows
        low, high = self.config.min_age, self.config.max_age
        ages = [row.age for row in rows if row.age is not None]
        self.drop(f"age below {low:g}", sum(age < low for age in ages))
        self.drop(f"age above {high:g}", sum(age > high for age in ages))
        return [row for row in rows if row.age is not None and low <= row.age <= high]

    def side(self, rows: list[Row]) -> list[Row]:
        """Leave out the other side of the split."""
        if self.config.split == "all" or not rows:
            return rows
        keys = [row.key if row.person is None else row.person for row in rows]
        stays = on_side(keys, self.config.split, self.config.test_share)
        self.drop(f"not in the {self.config.split} split", int((~stays).sum()))
        return [row for row, stay in zip(rows, stays.tolist(), strict=True) if stay]

    def reasons(self) -> str:
        """Return `` (reason: count, ...)`` of what was left out, or nothing."""
        counts = [f"{reason}: {count}" for reason, count in self.removed.items() if count]
        return f" ({', '.join(counts)})" if counts else refusals(self.files.refused)

    def table(self) -> Table:
        """Return ages in years, people numbered and classes indexed by their sorted names."""
        rows, ages, people, labels = self.listed, None, None, None
        if "age" in self.gives:
            ages = np.array([row.age for row in rows], np.float32)
        if "person" in self.gives:
            people = indices([row.person for row in rows], self.people)
        if "label" in self.gives:
            labels = indices([row.label for row in rows], self.classes)
        return Table(
            length=len(rows),
            ages=ages,
            identities=people,
            labels=labels,
            classes=self.classes,
            removed=tuple(self.removed.items()),
        )

    def image(self, index: int) -> Image.Image:
        """Return one picture, grey or RGB, upright.

        Raises:
            UnreadableImage: empty, cut short, not a picture, too large, or below `min_size`.
        """
        try:
            data = self.files.read(self.listed[index].name)
        except DataError as error:
            raise UnreadableImage(str(error)) from None
        return decode(data, size=self.config.size, min_size=self.config.min_size)

    def describe(self, index: int) -> str:
        """Return the path of a picture inside the folder or archive."""
        return self.listed[index].name


def in_order(names: set[str]) -> tuple[str, ...]:
    """Return names sorted: by value if all are whole numbers, else by character."""
    if all(name.isascii() and name.isdigit() and len(name) < 20 for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def indices(values: list[str | None], names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return [N] the place of each value among the names."""
    place = {name: index for index, name in enumerate(names)}
    return np.array([place[value] for value in values if value is not None], np.int64)


def nfc(text: str) -> str:
    """Return text with each accent in one character: macOS writes file names otherwise."""
    return unicodedata.normalize("NFC", text)
