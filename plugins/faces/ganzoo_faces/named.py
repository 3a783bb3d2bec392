"""Data sets whose file names say it all: UTKFace, FG-NET, CACD, LFW's layout, ORL."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import ClassVar

from ganzoo_faces.config import PicturesConfig
from ganzoo_faces.pictures import Pictures, Row, nfc


class Named(Pictures):
    """A data set of which `read` understands the names."""

    pattern: ClassVar[str]
    """What a name looks like, for messages."""

    def rows(self) -> Iterator[Row]:
        """Yield the pictures whose names are as they should be."""
        for path in self.pictures():
            row = self.read(path)
            if row is None:
                self.drop(f"not named {self.pattern}")
            else:
                yield row

    @abstractmethod
    def read(self, path: PurePosixPath) -> Row | None:
        """Return what a name says, None if it does not say it."""


CHIP_EYES = ((0.285, 0.291), (0.679, 0.291))
"""Medians of 195 cut-out faces of UTKFace; one face differs by 0.01 to 0.02 from them."""


class UTKFace(Named):
    """UTKFace (Zhang, Song, Qi 2017): `age_gender_race_date.jpg`, aligned or in the wild."""

    license = "non-commercial research only"
    example = "UTKFace.tar"
    pattern = "AGE_GENDER_RACE_DATE.jpg"
    gives = ("age",)

    def __init__(self, config: PicturesConfig) -> None:
        super().__init__(config)
        if all(row.name.endswith(".chip.jpg") for row in self.listed):
            self.eyes = CHIP_EYES

    def read(self, path: PurePosixPath) -> Row | None:
        """Return the age.

        A few names lack a field. Small first numbers among those may be the gender or the race,
        not the age, so they are left out.
        """
        fields = path.name.partition(".")[0].split("_")
        if len(fields) < 2 or not re.fullmatch("[0-9]{1,3}", fields[0]):
            return None
        age = int(fields[0])
        if len(fields) < 4 and age <= 4:
            return None
        return Row(name=str(path), key=path.name, age=age)


class FGNet(Named):
    """FG-NET (Lanitis, Taylor, Cootes 2002): `001A05.JPG` is person 001 at age 5."""

    license = "research only"
    example = "FGNET/images"
    pattern = "001A05.JPG"
    gives = ("age", "person")

    def read(self, path: PurePosixPath) -> Row | None:
        """Return age and person; a letter tells photographs of one age apart."""
        match = re.fullmatch("([0-9]{3})[Aa]([0-9]{2})[A-Za-z]?", path.stem)
        if not match:
            return None
        return Row(name=str(path), key=path.name, age=int(match[2]), person=match[1])


class CACD(Named):
    """CACD (Chen, Chen, Hsu 2014): `14_Name_0001.jpg`."""

    license = "non-commercial research only"
    example = "CACD2000.tar"
    pattern = "14_Name_0001.jpg"
    gives = ("age", "person")

    def read(self, path: PurePosixPath) -> Row | None:
        """Return age and person."""
        match = re.fullmatch("([0-9]{1,3})_(.+)_[0-9]+", nfc(path.stem), re.DOTALL)
        if not match:
            return None
        return Row(name=str(path), key=nfc(path.name), age=int(match[1]), person=match[2])


class ORL(Named):
    """ORL, or AT&T, Database of Faces (Samaria, Harter 1994): `s1/1.pgm`."""

    license = "free to use with credit to AT&T Laboratories Cambridge"
    example = "orl_faces.tar"
    pattern = "s1/1.pgm"
    gives = ("person",)

    def read(self, path: PurePosixPath) -> Row | None:
        """Return the person: the folder."""
        folder = path.parent.name
        if not re.fullmatch("[sS][0-9]{1,4}", folder) or not re.fullmatch("[0-9]+", path.stem):
            return None
        person = f"s{int(folder[1:]):02d}"  # s2 before s10
        return Row(name=str(path), key=f"{person}/{path.name}", person=person)
