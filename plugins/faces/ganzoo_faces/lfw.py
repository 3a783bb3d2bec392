"""Labeled Faces in the Wild, and the pairs of its verification protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.archive import plain
from ganzoo_core.errors import DataError
from ganzoo_faces.named import Named
from ganzoo_faces.pictures import Row, nfc

Photo = tuple[str, int]
"""A person and the number of the photograph."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """P pairs of pictures: the same person, or two."""

    first: NDArray[np.int64]
    """[P] indices into the data set."""
    second: NDArray[np.int64]
    """[P] likewise."""
    same: NDArray[np.bool_]
    """[P] whether both show one person."""
    fold: NDArray[np.int64]
    """[P] from 0, of the cross-validation; all 0 in a list without folds."""
    missing: int
    """Pairs left out because a picture is not there: a part of LFW, or the other split."""


class LFW(Named):
    """LFW (Huang, Ramesh, Berg, Learned-Miller 2007): `NAME/NAME_0001.jpg`."""

    license = "research; copyright of the photographs stays with their owners"
    example = "lfw.tar"
    pattern = "NAME_0001.jpg"
    gives = ("person",)

    def read(self, path: PurePosixPath) -> Row | None:
        """Return the person."""
        photo = photo_of(path)
        return photo and Row(name=str(path), key=nfc(path.name), person=photo[0])

    def pairs(self) -> Pairs:
        """Return the pairs of `data.pairs`, or of the pairs.txt beside the pictures.

        Raises:
            DataError: there is no such file, it is not a list of pairs (the message has the
                line), or none of its pictures is here.
        """
        where, text = self.pairs_file()
        photos = (photo_of(PurePosixPath(row.name)) for row in self.listed)
        place = {photo: index for index, photo in enumerate(photos)}
        found = []
        listed = read_pairs(text, where)
        for fold, first, second in listed:
            if first in place and second in place:
                found.append((place[first], place[second], first[0] == second[0], fold))
        if not found:
            raise DataError(f"{where}: not one pair has both pictures in {self.config.path}")
        one, other, same, folds = zip(*found, strict=True)
        return Pairs(
            first=np.array(one, np.int64),
            second=np.array(other, np.int64),
            same=np.array(same, bool),
            fold=np.array(folds, np.int64),
            missing=len(listed) - len(found),
        )

    def pairs_file(self) -> tuple[str, str]:
        """Return path and text of the list of pairs."""
        if self.config.pairs:
            where, path = self.config.pairs, Path(self.config.pairs).expanduser()
            try:
                data = path.read_bytes()
            except (OSError, ValueError) as error:
                raise DataError(f"{where}: {plain(error)}; data.pairs is LFW's pairs.txt") from None
        else:
            names = [name for name in self.files.names if PurePosixPath(name).name == "pairs.txt"]
            if len(names) != 1:
                count = "no" if not names else len(names)
                raise DataError(
                    f"{self.config.path} holds {count} pairs.txt; "
                    "say which with --set data.pairs=FILE (vis-www.cs.umass.edu/lfw/pairs.txt)"
                )
            where, data = f"{self.config.path}: {names[0]}", self.files.read(names[0])
        try:
            return where, data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise DataError(f"{where} is not text in UTF-8; is it LFW's pairs.txt?") from None


def photo_of(path: PurePosixPath) -> Photo | None:
    """Return person and number of NAME_0001.jpg."""
    match = re.fullmatch("(.+)_([0-9]{1,9})", nfc(path.stem), re.DOTALL)
    return (match[1], int(match[2])) if match else None


def read_pairs(text: str, where: str) -> list[tuple[int, Photo, Photo]]:
    """Read a pairs.txt (folds and pairs of each kind a fold) or pairsDevTrain.txt (no folds).

    Returns:
        For each pair its fold, from 0, and both photographs.

    Raises:
        DataError: with the line that is wrong.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    head = lines[0][1].split() if lines else []
    if len(head) not in {1, 2} or not all(re.fullmatch("[0-9]{1,9}", word) for word in head):
        raise DataError(f"{where}, line 1: not 'FOLDS PAIRS' or 'PAIRS'; is it LFW's pairs.txt?")
    folds, each = (1, int(head[0])) if len(head) == 1 else (int(head[0]), int(head[1]))
    if len(lines) - 1 != 2 * folds * each or not each:
        raise DataError(
            f"{where}: line 1 announces {2 * folds * each} pairs and {len(lines) - 1} follow; "
            "download it again"
        )
    found = []
    for place, (number, line) in enumerate(lines[1:]):
        words = nfc(line).split("\t") if "\t" in line else nfc(line).split()
        words = [word.strip() for word in words]
        if len(words) == 3:
            words.insert(2, words[0])
        if len(words) != 4 or not all(re.fullmatch("[0-9]{1,9}", words[n]) for n in (1, 3)):
            raise DataError(
                f"{where}, line {number}: not 'NAME N N' or 'NAME N NAME N': {line.strip()[:80]!r}"
            )
        pair = (words[0], int(words[1])), (words[2], int(words[3]))
        found.append((place // (2 * each), *pair))
    return found
