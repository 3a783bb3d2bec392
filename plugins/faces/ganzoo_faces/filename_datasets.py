"""Data sets with metadata in the file names: UTKFace, FG-NET, CACD, ORL; base class of LFW."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.interfaces import Keypoints
from ganzoo_faces.config import ImageFilesConfig
from ganzoo_faces.image_files import ImageFilesDataset, ImageRecord, normalize_nfc


class FilenameDataset(ImageFilesDataset):
    """A data set with metadata in the file names."""

    filename_pattern: ClassVar[str]
    """Example of a name, for messages."""

    def iter_records(self) -> Iterator[ImageRecord]:
        """Yield the images with a valid name; count the others."""
        for path in self.iter_image_paths():
            row = self.parse_filename(path)
            if row is None:
                self.count_removed(f"not named {self.filename_pattern}")
            else:
                yield row

    @abstractmethod
    def parse_filename(self, path: PurePosixPath) -> ImageRecord | None:
        """Return the record of a path; None for an invalid name."""


_UTKFACE_CHIP_KEYPOINTS = {"left_eye": (0.285, 0.291), "right_eye": (0.679, 0.291)}
"""Medians over 195 cropped faces of UTKFace; a single face differs by 0.01 to 0.02."""


class UTKFace(FilenameDataset):
    """UTKFace (Zhang, Song, Qi 2017): `age_gender_race_date.jpg`, aligned or in the wild."""

    license = "non-commercial research only"
    example_path = "UTKFace.tar"
    filename_pattern = "AGE_GENDER_RACE_DATE.jpg"
    record_fields = ("age",)

    def __init__(self, config: ImageFilesConfig) -> None:
        super().__init__(config)
        self._are_chips = all(row.path.endswith(".chip.jpg") for row in self.records)

    def keypoints(self, index: int) -> Keypoints:
        """Return the eyes of an aligned crop; nothing for photographs in the wild."""
        return _UTKFACE_CHIP_KEYPOINTS if self._are_chips else {}

    def face_attributes(self) -> dict[str, NDArray[np.str_]]:
        """Return sex and race as the names of the files have them; empty where one is missing."""
        sexes, races = ("male", "female"), ("white", "black", "Asian", "Indian", "other")
        found = []
        for row in self.records:
            match = re.match("[0-9]+_([01])_([0-4])_", PurePosixPath(row.path).name)
            found.append((sexes[int(match[1])], races[int(match[2])]) if match else ("", ""))
        sex, race = np.array(found).reshape(-1, 2).T
        return {"sex": sex, "race": race}

    def parse_filename(self, path: PurePosixPath) -> ImageRecord | None:
        """Return the record with the age.

        In a few names a field is missing. A small first number may then be the gender or the race,
        so such names are invalid.
        """
        fields = path.name.partition(".")[0].split("_")
        if len(fields) < 2 or not re.fullmatch("[0-9]{1,3}", fields[0]):
            return None
        age = int(fields[0])
        if len(fields) < 4 and age <= 4:
            return None
        return ImageRecord(path=str(path), stable_key=path.name, age=age)


class FGNet(FilenameDataset):
    """FG-NET (Lanitis, Taylor, Cootes 2002): `001A05.JPG` is person 001 at age 5."""

    license = "research only"
    example_path = "FGNET/images"
    filename_pattern = "001A05.JPG"
    record_fields = ("age", "identity")

    def parse_filename(self, path: PurePosixPath) -> ImageRecord | None:
        """Return the record with age and person; a letter distinguishes images of the same age."""
        match = re.fullmatch("([0-9]{3})[Aa]([0-9]{2})[A-Za-z]?", path.stem)
        if not match:
            return None
        return ImageRecord(
            path=str(path), stable_key=path.name, age=int(match[2]), identity=match[1]
        )


class CACD(FilenameDataset):
    """CACD (Chen, Chen, Hsu 2014): `14_Name_0001.jpg`."""

    license = "non-commercial research only"
    example_path = "CACD2000.tar"
    filename_pattern = "14_Name_0001.jpg"
    record_fields = ("age", "identity")

    def parse_filename(self, path: PurePosixPath) -> ImageRecord | None:
        """Return the record with age and person."""
        match = re.fullmatch("([0-9]{1,3})_(.+)_[0-9]+", normalize_nfc(path.stem), re.DOTALL)
        if not match:
            return None
        return ImageRecord(
            path=str(path),
            stable_key=normalize_nfc(path.name),
            age=int(match[1]),
            identity=match[2],
        )


class ORL(FilenameDataset):
    """ORL, or AT&T, Database of Faces (Samaria, Harter 1994): `s1/1.pgm`."""

    license = "free to use with credit to AT&T Laboratories Cambridge"
    example_path = "orl_faces.tar"
    filename_pattern = "s1/1.pgm"
    record_fields = ("identity",)

    def parse_filename(self, path: PurePosixPath) -> ImageRecord | None:
        """Return the record with the person, which is the folder."""
        folder = path.parent.name
        if not re.fullmatch("[sS][0-9]{1,4}", folder) or not re.fullmatch("[0-9]+", path.stem):
            return None
        person = f"s{int(folder[1:]):02d}"  # s2 before s10
        return ImageRecord(path=str(path), stable_key=f"{person}/{path.name}", identity=person)
