"""CelebA: img_align_celeba, and the lists of attributes, identities and partitions beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo_core.data.archive import open_files, plain
from ganzoo_core.data.picture import SUFFIXES, decode
from ganzoo_core.errors import DataError, suggest
from ganzoo_core.interfaces import Dataset, Table, UnreadableImage
from ganzoo_torchvision_data.arrays import fingerprint, root_of
from ganzoo_torchvision_data.config import CelebAConfig

PICTURES = "img_align_celeba"
PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
LISTS = {
    "attribute": "list_attr_celeba.txt",
    "identity": "identity_CelebA.txt",
    "split": "list_eval_partition.txt",
}
SIDES = {"train": 0, "valid": 1, "test": 2}


class CelebA(Dataset):
    """CelebA (Liu, Luo, Wang, Tang 2015), unpacked by hand: its server wants a browser."""

    license = "non-commercial research only"
    example = "data/celeba"

    def __init__(self, config: CelebAConfig) -> None:
        super().__init__(config)
        self.root = root_of(config.path, config.name or "celeba", self.example)
        folder = self.folder()
        self.files = open_files(folder)
        self.used: list[Path] = []
        places = [self.root, folder.parent, folder.parent.parent, self.root / "celeba"]
        self.places = [place / below for place in places for below in ("", "Anno", "Eval")]
        self.removed: dict[str, int] = {}
        names = {name for name in self.files.names if name.lower().endswith(SUFFIXES)}
        self.removed["files that are no pictures by their names"] = len(self.files) - len(names)
        self.columns: dict[str, dict[str, int]] = {}
        for column, read in (("identity", self.identities), ("attribute", self.attributes)):
            if found := read():
                self.columns[column] = found
                names = self.only(names, found, LISTS[column])
        self.names = tuple(sorted(self.side(names)))
        if not self.names:
            counts = ", ".join(f"{reason}: {count}" for reason, count in self.removed.items())
            raise DataError(f"{folder}: no picture is left ({counts}); is it {PICTURES}?")

    def folder(self) -> Path:
        """Return the folder of the pictures."""
        try:
            for place in (f"celeba/{PICTURES}", PICTURES, ""):
                folder = self.root / place
                # Some copies have the folder in a folder of the same name.
                for inner in (folder / PICTURES, folder):
                    if inner.is_dir() and (place or (inner / "000001.jpg").exists()):
                        return inner
        except OSError as error:
            raise DataError(f"{self.root}: {plain(error)}; give a folder you may read") from None
        raise DataError(
            f"celeba: {self.root} holds no folder {PICTURES}; fetch {PICTURES}.zip and the lists "
            f"from {PAGE} in a browser and unpack the zip into {self.root}"
        )

    def only(self, names: set[str], listed: dict[str, int], title: str) -> set[str]:
        """Leave out pictures that a list does not have; count its missing pictures too."""
        missing = len(listed.keys() - names)
        self.removed["file missing"] = max(self.removed.get("file missing", 0), missing)
        self.removed[f"not in {title}"] = len(names - listed.keys())
        return names & listed.keys()

    def lines(self, column: str) -> tuple[str, Iterator[tuple[int, list[str]]]] | None:
        """Return a list's path, and its lines as (number, words); None if it is not there."""
        found = (place / LISTS[column] for place in self.places)
        path = next((path for path in found if path.is_file()), None)
        if path is None:
            return None
        self.used.append(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: {plain(error)}; fetch it again from {PAGE}") from None
        rows = ((number, line.split()) for number, line in enumerate(text.splitlines(), 1))
        return str(path), ((number, words) for number, words in rows if words)

    def identities(self) -> dict[str, int]:
        """Return the person of each picture, where known."""
        return self.numbers("identity")

    def numbers(self, column: str) -> dict[str, int]:
        """Read a list of a picture and a number on each line."""
        where, lines = self.lines(column) or ("", iter(()))
        found = {}
        for number, words in lines:
            if len(words) != 2 or not re.fullmatch("[0-9]{1,9}", words[1]):
                raise DataError(f"{where}, line {number}: not '000001.jpg N'; fetch it from {PAGE}")
            found[words[0]] = int(words[1])
        return found

    def attributes(self) -> dict[str, int]:
        """Return 1 for the pictures that have the attribute of the options, else 0."""
        wanted = self.config.attribute
        if not wanted:
            return {}
        where, lines = self.lines("attribute") or ("", iter(()))
        names: list[str] = []
        found = {}
        for number, words in lines:
            if not names:
                if len(words) > 1:  # the first line is the number of pictures
                    names = words
                    if wanted not in names:
                        advice = suggest(wanted, names)
                        raise DataError(f"{where} has no attribute {wanted!r}.{advice}")
                continue
            if len(words) != len(names) + 1 or not set(words[1:]) <= {"1", "-1"}:
                raise DataError(
                    f"{where}, line {number}: not a picture and {len(names)} times 1 or -1; "
                    f"fetch it from {PAGE}"
                )
            found[words[0]] = int(words[1 + names.index(wanted)] == "1")
        return found

    def side(self, names: set[str]) -> set[str]:
        """Leave out the other sides of the official division."""
        split = self.config.split
        if split == "all":
            return names
        sides = self.numbers("split")
        if not sides:
            raise DataError(f"celeba: data.split={split} needs {LISTS['split']} in {self.root}")
        stays = {name for name in names if sides.get(name) == SIDES[split]}
        self.removed[f"not in the {split} split"] = len(names - stays)
        return stays

    def table(self) -> Table:
        """Return the attribute as label and the official numbers of the people, where known."""
        wanted = self.config.attribute
        columns = {
            column: np.array([values[name] for name in self.names], np.int64)
            for column, values in self.columns.items()
        }
        return Table(
            length=len(self.names),
            labels=columns.get("attribute"),
            classes=(f"not {wanted}", wanted) if "attribute" in columns else (),
            identities=columns.get("identity"),
            removed=tuple(self.removed.items()),
        )

    def image(self, index: int) -> Image.Image:
        """Return one picture, 178x218 in the official files.

        Raises:
            UnreadableImage: with the reason in a few words.
        """
        try:
            data = self.files.read(self.names[index])
        except DataError as error:
            raise UnreadableImage(str(error)) from None
        return decode(data, size=self.config.size, min_size=self.config.min_size)

    def describe(self, index: int) -> str:
        """Return the name of a picture."""
        return self.names[index]

    def source(self) -> str:
        """Return a fingerprint of the lists and the pictures."""
        folder = Path(self.files.path)
        return fingerprint([*self.used, *(folder / name for name in self.names)])
