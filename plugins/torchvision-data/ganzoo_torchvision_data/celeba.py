"""CelebA: img_align_celeba, with its lists of attributes, identities and partitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo_core.data.archive import open_files, short_error_message
from ganzoo_core.data.image_decoding import IMAGE_SUFFIXES, decode_image
from ganzoo_core.errors import DataError, suggest
from ganzoo_core.interfaces import Dataset, Metadata, UnreadableImage
from ganzoo_torchvision_data.array_dataset import dataset_root, files_fingerprint
from ganzoo_torchvision_data.config import CelebAConfig

_IMAGE_FOLDER = "img_align_celeba"
_DOWNLOAD_PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
_LIST_FILES = {
    "attribute": "list_attr_celeba.txt",
    "identity": "identity_CelebA.txt",
    "split": "list_eval_partition.txt",
}
_SPLIT_CODES = {"train": 0, "valid": 1, "test": 2}


class CelebA(Dataset):
    """CelebA (Liu, Luo, Wang, Tang 2015). Its server needs a browser, so it has no download."""

    license = "non-commercial research only"
    example_path = "data/celeba"

    def __init__(self, config: CelebAConfig) -> None:
        super().__init__(config)
        self.root = dataset_root(config.path, config.name or "celeba", self.example_path)
        folder = self._find_image_folder()
        self.files = open_files(folder)
        self.source_files: list[Path] = []
        places = [self.root, folder.parent, folder.parent.parent, self.root / "celeba"]
        self.list_folders = [place / below for place in places for below in ("", "Anno", "Eval")]
        self.removed: dict[str, int] = {}
        names = {name for name in self.files.names if name.lower().endswith(IMAGE_SUFFIXES)}
        self.removed["not image files"] = len(self.files) - len(names)
        self.columns: dict[str, dict[str, int]] = {}
        identities, attribute = self._read_number_list("identity"), self._read_attribute()
        for column, found in (("identity", identities), ("attribute", attribute)):
            if found:
                self.columns[column] = found
                names = self._keep_listed(names, found, _LIST_FILES[column])
        self.names = tuple(sorted(self._filter_split(names)))
        if not self.names:
            counts = ", ".join(f"{reason}: {count}" for reason, count in self.removed.items())
            raise DataError(f"{folder}: no image is left ({counts}); is it {_IMAGE_FOLDER}?")

    def _find_image_folder(self) -> Path:
        try:
            for place in (f"celeba/{_IMAGE_FOLDER}", _IMAGE_FOLDER, ""):
                folder = self.root / place
                # some copies have the folder in a folder of the same name
                for inner in (folder / _IMAGE_FOLDER, folder):
                    if inner.is_dir() and (place or (inner / "000001.jpg").exists()):
                        return inner
        except OSError as error:
            raise DataError(
                f"{self.root}: {short_error_message(error)}; give a folder that you can read"
            ) from None
        raise DataError(
            f"celeba: {self.root} contains no folder {_IMAGE_FOLDER}; download {_IMAGE_FOLDER}.zip "
            f"and the lists from {_DOWNLOAD_PAGE} in a browser and unpack the zip into {self.root}"
        )

    def _keep_listed(self, names: set[str], listed: dict[str, int], list_name: str) -> set[str]:
        """Return the listed images; count unlisted images and missing files."""
        missing = len(listed.keys() - names)
        self.removed["file missing"] = max(self.removed.get("file missing", 0), missing)
        self.removed[f"not in {list_name}"] = len(names - listed.keys())
        return names & listed.keys()

    def _read_list(self, column: str) -> tuple[str, Iterator[tuple[int, list[str]]]] | None:
        """Return the path of a list and its lines as (number, words); None if it does not exist."""
        found = (place / _LIST_FILES[column] for place in self.list_folders)
        path = next((path for path in found if path.is_file()), None)
        if path is None:
            return None
        self.source_files.append(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: {short_error_message(error)}; download it again from {_DOWNLOAD_PAGE}"
            ) from None
        rows = ((number, line.split()) for number, line in enumerate(text.splitlines(), 1))
        return str(path), ((number, words) for number, words in rows if words)

    def _read_number_list(self, column: str) -> dict[str, int]:
        """Return a list with a file name and a number on each line."""
        where, lines = self._read_list(column) or ("", iter(()))
        found = {}
        for number, words in lines:
            if len(words) != 2 or not re.fullmatch("[0-9]{1,9}", words[1]):
                raise DataError(
                    f"{where}, line {number}: not '000001.jpg N'; download it from {_DOWNLOAD_PAGE}"
                )
            found[words[0]] = int(words[1])
        return found

    def _read_attribute(self) -> dict[str, int]:
        """Return 1 for images with the attribute `data.attribute`, and 0 for the others."""
        wanted = self.config.attribute
        if not wanted:
            return {}
        where, lines = self._read_list("attribute") or ("", iter(()))
        names: list[str] = []
        found = {}
        for number, words in lines:
            if not names:
                if len(words) > 1:  # the first line is the number of images
                    names = words
                    if wanted not in names:
                        advice = suggest(wanted, names)
                        raise DataError(f"{where} has no attribute {wanted!r}.{advice}")
                continue
            if len(words) != len(names) + 1 or not set(words[1:]) <= {"1", "-1"}:
                raise DataError(
                    f"{where}, line {number}: not a file name and {len(names)} times 1 or -1; "
                    f"download it from {_DOWNLOAD_PAGE}"
                )
            found[words[0]] = int(words[1 + names.index(wanted)] == "1")
        return found

    def _filter_split(self, names: set[str]) -> set[str]:
        split = self.config.split
        if split == "all":
            return names
        sides = self._read_number_list("split")
        if not sides:
            raise DataError(
                f"celeba: data.split={split} needs {_LIST_FILES['split']} in {self.root}; without "
                "it, --set data.split=all holds no images out"
            )
        stays = {name for name in names if sides.get(name) == _SPLIT_CODES[split]}
        self.removed[f"not in the {split} split"] = len(names - stays)
        return stays

    def metadata(self) -> Metadata:
        """Return the attribute as label, and the official identity numbers, if the lists exist."""
        wanted = self.config.attribute
        columns = {
            column: np.array([values[name] for name in self.names], np.int64)
            for column, values in self.columns.items()
        }
        return Metadata(
            length=len(self.names),
            labels=columns.get("attribute"),
            class_names=(f"not {wanted}", wanted) if "attribute" in columns else (),
            identities=columns.get("identity"),
            removed=tuple(self.removed.items()),
        )

    def load_image(self, index: int) -> Image.Image:
        """Return one image, 178x218 in the official files.

        Raises:
            UnreadableImage: with the reason in a few words.
        """
        try:
            data = self.files.read(self.names[index])
        except DataError as error:
            raise UnreadableImage(str(error)) from None
        return decode_image(data, target_size=self.config.image_size, min_size=self.config.min_size)

    def sample_name(self, index: int) -> str:
        """Return the file name of an image."""
        return self.names[index]

    def fingerprint(self) -> str:
        """Return a fingerprint of the lists and the images."""
        folder = Path(self.files.path)
        return files_fingerprint([*self.source_files, *(folder / name for name in self.names)])
