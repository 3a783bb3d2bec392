"""Labeled Faces in the Wild, with the pairs of its verification protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ganzoo_core import limits
from ganzoo_core.data.archive import short_error_message
from ganzoo_core.errors import DataError
from ganzoo_faces.filename_datasets import FilenameDataset
from ganzoo_faces.image_files import ImageRecord, normalize_nfc

_Photo = tuple[str, int]
"""The name of a person and the number of the photograph."""


@dataclass(frozen=True, kw_only=True)
class _VerificationPairs:
    """P pairs of images, of the same person or of two people."""

    first: NDArray[np.int64]
    """[P] indices into the data set."""
    second: NDArray[np.int64]
    """[P] indices into the data set."""
    same: NDArray[np.bool_]
    """[P] whether both images show the same person."""
    fold: NDArray[np.int64]
    """[P] fold of the cross-validation, from 0; all 0 in a list without folds."""
    missing: int
    """Number of pairs without both images, in a part of LFW or in a split."""


class LFW(FilenameDataset):
    """LFW (Huang, Ramesh, Berg, Learned-Miller 2007): `NAME/NAME_0001.jpg`."""

    license = "research; copyright of the photographs stays with their owners"
    example_path = "lfw.tar"
    filename_pattern = "NAME_0001.jpg"
    record_fields = ("identity",)

    def parse_filename(self, path: PurePosixPath) -> ImageRecord | None:
        """Return the record with the person."""
        photo = _parse_photo_name(path)
        return photo and ImageRecord(
            path=str(path), stable_key=normalize_nfc(path.name), identity=photo[0]
        )

    def pairs(self) -> _VerificationPairs:
        """Return the pairs of `data.pairs`, or of the pairs.txt in the folder of the images.

        Raises:
            DataError: the file does not exist, is not a list of pairs (the message has the line),
                or has no pair with both images.
        """
        path, text = self._read_pairs_file()
        photos = (_parse_photo_name(PurePosixPath(row.path)) for row in self.records)
        place = {photo: index for index, photo in enumerate(photos)}
        found = []
        listed = parse_pairs(text, path)
        for fold, first, second in listed:
            if first in place and second in place:
                found.append((place[first], place[second], first[0] == second[0], fold))
        if not found:
            raise DataError(f"{path}: no pair has both images in {self.config.path}")
        one, other, same, folds = zip(*found, strict=True)
        return _VerificationPairs(
            first=np.array(one, np.int64),
            second=np.array(other, np.int64),
            same=np.array(same, bool),
            fold=np.array(folds, np.int64),
            missing=len(listed) - len(found),
        )

    def _read_pairs_file(self) -> tuple[str, str]:
        """Return path and text of the list of pairs."""
        if self.config.pairs:
            source, path = self.config.pairs, Path(self.config.pairs).expanduser()
            try:
                data = limits.read_bytes(path, limits.INDEX_BYTES)
            except (OSError, ValueError) as error:
                raise DataError(
                    f"{source}: {short_error_message(error)}; data.pairs is LFW's pairs.txt"
                ) from None
        else:
            names = [name for name in self.files.names if PurePosixPath(name).name == "pairs.txt"]
            if len(names) != 1:
                count = "no" if not names else len(names)
                raise DataError(
                    f"{self.config.path} contains {count} pairs.txt; "
                    "give one with --set data.pairs=FILE (vis-www.cs.umass.edu/lfw/pairs.txt)"
                )
            source, data = f"{self.config.path}: {names[0]}", self.files.read(names[0])
        try:
            return source, data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise DataError(f"{source} is not UTF-8 text; is it LFW's pairs.txt?") from None


def _parse_photo_name(path: PurePosixPath) -> _Photo | None:
    """Return (NAME, 1) of NAME_0001.jpg."""
    match = re.fullmatch("(.+)_([0-9]{1,9})", normalize_nfc(path.stem), re.DOTALL)
    return (match[1], int(match[2])) if match else None


def parse_pairs(text: str, path: str) -> list[tuple[int, _Photo, _Photo]]:
    """Parse a pairs.txt (with folds) or a pairsDevTrain.txt (without folds).

    Returns:
        (fold from 0, first photo, second photo) of each pair.

    Raises:
        DataError: with the invalid line.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    head = lines[0][1].split() if lines else []
    if len(head) not in {1, 2} or not all(re.fullmatch("[0-9]{1,9}", word) for word in head):
        raise DataError(f"{path}, line 1: not 'FOLDS PAIRS' or 'PAIRS'; is it LFW's pairs.txt?")
    folds, pairs_per_kind = (1, int(head[0])) if len(head) == 1 else (int(head[0]), int(head[1]))
    if len(lines) - 1 != 2 * folds * pairs_per_kind or not pairs_per_kind:
        raise DataError(
            f"{path}: line 1 promises {2 * folds * pairs_per_kind} pairs, but {len(lines) - 1} "
            "follow; download it again"
        )
    found = []
    for place, (number, line) in enumerate(lines[1:]):
        words = normalize_nfc(line).split("\t") if "\t" in line else normalize_nfc(line).split()
        words = [word.strip() for word in words]
        if len(words) == 3:
            words.insert(2, words[0])
        if len(words) != 4 or not all(re.fullmatch("[0-9]{1,9}", words[n]) for n in (1, 3)):
            raise DataError(
                f"{path}, line {number}: not 'NAME N N' or 'NAME N NAME N': {line.strip()[:80]!r}"
            )
        pair = (words[0], int(words[1])), (words[2], int(words[3]))
        found.append((place // (2 * pairs_per_kind), *pair))
    return found
