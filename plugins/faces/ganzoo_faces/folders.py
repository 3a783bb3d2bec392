"""Your own images: a folder, or one folder for each class."""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from pathlib import PurePosixPath

from ganzoo_core.data.archive import FolderSource
from ganzoo_faces.config import UserImagesConfig
from ganzoo_faces.image_files import ImageFilesDataset, ImageRecord, normalize_nfc


class PlainFolder(ImageFilesDataset):
    """All images of a folder with its subfolders, or of a tar."""

    example_path = "photographs"
    empty_hint = "give a folder or a .tar with images"

    def __init__(self, config: UserImagesConfig) -> None:
        self.license = config.license
        super().__init__(config)

    def iter_records(self) -> Iterator[ImageRecord]:
        """Yield every image; its key is the path below the common folder."""
        paths = list(self.iter_image_paths())
        top = _common_folder(paths)
        for path in paths:
            yield ImageRecord(path=str(path), stable_key=normalize_nfc(str(path.relative_to(top))))


class ClassFolder(PlainFolder):
    """A folder or tar with one subfolder for each class."""

    example_path = "animals"
    record_fields = ("label",)
    empty_hint = "give a folder or a .tar with one folder of images for each class"

    def iter_records(self) -> Iterator[ImageRecord]:
        """Yield the images in class folders; count the others.

        In a folder, the class is the first subfolder. In an archive, common parent folders are
        skipped; with one class only, the last of them is the class.
        """
        paths = list(self.iter_image_paths())
        top = PurePosixPath() if isinstance(self.files, FolderSource) else _common_folder(paths)
        if all(path.parent == top for path in paths):
            top = top.parent
        for path in paths:
            below = path.relative_to(top)
            if len(below.parts) > 1:
                yield ImageRecord(
                    path=str(path),
                    stable_key=normalize_nfc(str(below)),
                    label=normalize_nfc(below.parts[0]),
                )
            else:
                self.count_removed("not in a class folder")


def _common_folder(paths: list[PurePosixPath]) -> PurePosixPath:
    """Return the innermost folder that contains all images."""
    return PurePosixPath(os.path.commonpath([path.parent for path in paths]) if paths else "")
