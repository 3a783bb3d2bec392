"""Your own pictures: all of a folder, or one folder a class."""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from pathlib import PurePosixPath

from ganzoo_core.data.archive import Folder
from ganzoo_faces.config import OwnConfig
from ganzoo_faces.pictures import Pictures, Row, nfc


class PlainFolder(Pictures):
    """All pictures of a folder and of the folders in it, or of a tar."""

    example = "photographs"
    advice = "give a folder or a .tar with pictures"

    def __init__(self, config: OwnConfig) -> None:
        self.license = config.license
        super().__init__(config)

    def rows(self) -> Iterator[Row]:
        """Yield every picture; its key leaves out the folders that all have in common."""
        paths = list(self.pictures())
        top = common(paths)
        for path in paths:
            yield Row(name=str(path), key=nfc(str(path.relative_to(top))))


class ClassFolder(PlainFolder):
    """A folder or tar of folders; the name of each is the class of the pictures below it."""

    example = "animals"
    gives = ("label",)
    advice = "give a folder or a .tar that holds one folder of pictures for each class"

    def rows(self) -> Iterator[Row]:
        """Yield the pictures that lie in the folder of a class.

        In a folder that is the first folder below. An archive may have folders around all its
        pictures, which are passed over; if it has one class only, the last of them names it.
        """
        paths = list(self.pictures())
        top = PurePosixPath() if isinstance(self.files, Folder) else common(paths)
        if all(path.parent == top for path in paths):
            top = top.parent
        for path in paths:
            below = path.relative_to(top)
            if len(below.parts) > 1:
                yield Row(name=str(path), key=nfc(str(below)), label=nfc(below.parts[0]))
            else:
                self.drop("in no folder of a class")


def common(paths: list[PurePosixPath]) -> PurePosixPath:
    """Return the innermost folder that holds all pictures."""
    return PurePosixPath(os.path.commonpath([path.parent for path in paths]) if paths else "")
