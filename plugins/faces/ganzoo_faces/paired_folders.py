"""Folders of images for image-to-image models: pairs, and two sets without pairs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePosixPath

from PIL import Image

from ganzoo_core.errors import DataError
from ganzoo_faces.folders import PlainFolder
from ganzoo_faces.image_files import ImageRecord, normalize_nfc

_CLASS_OF_FOLDER = {"A": "A", "B": "B", "trainA": "A", "trainB": "B"}
_NAMES_SHOWN = 3


class UnpairedFolder(PlainFolder):
    """A folder with the subfolders trainA and trainB, or A and B: the two classes."""

    example_path = "horse2zebra"
    record_fields: tuple[str, ...] = ("label",)
    empty_hint = "give a folder with the subfolders trainA and trainB, or A and B"

    def iter_records(self) -> Iterator[ImageRecord]:
        """Yield the images of the two subfolders; count the others."""
        for path, label, name in self.iter_class_images():
            yield ImageRecord(path=str(path), stable_key=f"{label}/{name}", label=label)

    def iter_class_images(self) -> Iterator[tuple[PurePosixPath, str, str]]:
        """Yield (path, class, path below the folder of the class without suffix)."""
        for path in self.iter_image_paths():
            place = next((i for i, part in enumerate(path.parts) if part in _CLASS_OF_FOLDER), None)
            if place is None or place == len(path.parts) - 1:
                self.count_removed("not in a folder trainA, trainB, A or B")
                continue
            name = PurePosixPath(*path.parts[place + 1 :]).with_suffix("")
            yield path, _CLASS_OF_FOLDER[path.parts[place]], normalize_nfc(str(name))


class PairedFolder(UnpairedFolder):
    """Pairs: images of the same name in the folders A and B, or images with A on the left and B on
    the right. Both images of a pair have the same identity."""

    example_path = "facades"
    record_fields = ("label", "identity")
    empty_hint = "give a folder with the subfolders A and B, or images of two halves side by side"
    is_side_by_side = False

    def iter_records(self) -> Iterator[ImageRecord]:
        """Yield both images of each pair.

        Raises:
            DataError: an image without a counterpart, or of another size than its counterpart.
        """
        self.is_side_by_side = not any(
            part in _CLASS_OF_FOLDER for name in self.files.names for part in name.split("/")[:-1]
        )
        if self.is_side_by_side:
            yield from self._iter_halves()
            return
        paths: dict[str, dict[str, PurePosixPath]] = {"A": {}, "B": {}}
        for path, label, name in self.iter_class_images():
            paths[label][name] = path
        alone = sorted(paths["A"].keys() ^ paths["B"].keys())
        if alone:
            listed = ", ".join(alone[:_NAMES_SHOWN]) + (" .." if len(alone) > _NAMES_SHOWN else "")
            raise DataError(
                f"{self.config.path}: {len(paths['A'])} images in A and {len(paths['B'])} in B, "
                f"and {len(alone)} without a counterpart of the same name: {listed}"
            )
        for name, path in paths["A"].items():
            counterpart = paths["B"][name]
            sizes = [self._image_size(p) for p in (path, counterpart)]
            if None not in sizes and sizes[0] != sizes[1]:
                raise DataError(
                    f"{self.config.path}: {path} has {_size_text(sizes[0])} and {counterpart} "
                    f"{_size_text(sizes[1])}: both images of a pair need one size"
                )
            for label, file in (("A", path), ("B", counterpart)):
                key = f"{label}/{name}"
                yield ImageRecord(path=str(file), stable_key=key, label=label, identity=name)

    def _iter_halves(self) -> Iterator[ImageRecord]:
        for path in self.iter_image_paths():
            size = self._image_size(path)
            if size is not None and size[0] % 2:
                raise DataError(
                    f"{self.config.path}: {path} has {_size_text(size)}: two images of one size "
                    "side by side have an even width; or give folders A and B"
                )
            for label in ("A", "B"):
                key = normalize_nfc(str(path))
                yield ImageRecord(
                    path=str(path), stable_key=f"{label}/{key}", label=label, identity=key
                )

    def _image_size(self, path: PurePosixPath) -> tuple[int, int] | None:
        """Return width and height from the header; None for a file that is not an image."""
        try:
            with Image.open(io.BytesIO(self.files.read(str(path)))) as image:
                return image.size
        except (OSError, ValueError, DataError, Image.DecompressionBombError):
            return None  # listed as unreadable when it is decoded

    def load_image(self, index: int) -> Image.Image:
        """Return one image, or its half."""
        image = super().load_image(index)
        if not self.is_side_by_side:
            return image
        middle = image.width // 2
        is_left = self.records[index].label == "A"
        return image.crop(
            (0, 0, middle, image.height) if is_left else (middle, 0, 2 * middle, image.height)
        )


def _size_text(size: tuple[int, int] | None) -> str:
    return "no size" if size is None else f"{size[0]} x {size[1]} px"
