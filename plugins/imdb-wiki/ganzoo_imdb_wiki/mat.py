"""wiki.mat and imdb.mat as arrays.

The layout is that of the IMDB-WIKI authors: a (1, 1) struct `wiki` or `imdb` whose fields are
(1, N) arrays. https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.matlab import DAMAGE, variable
from ganzoo_core.errors import DataError

Fields = Mapping[str, NDArray[Any]]

MATLAB_EPOCH = 366
"""A MATLAB datenum less this is Python's proleptic ordinal: 723671 is 1981-05-05."""
LAST_ORDINAL = 3652059
"""9999-12-31."""
HDF5 = b"\x89HDF"


@dataclass(frozen=True, kw_only=True)
class Faces:
    """One part, WIKI or IMDb: N pictures of one face each, in the order of the .mat."""

    part: str
    """wiki or imdb."""
    dob: NDArray[np.int64]
    """[N] birth, MATLAB datenum; nonsense (0, 1, ...) where the date was malformed."""
    photo_taken: NDArray[np.int64]
    """[N] year."""
    full_path: tuple[str, ...]
    """[N] such as 17/10000217_1981-05-05_2009.jpg."""
    gender: NDArray[np.float64]
    """[N] 0 female, 1 male, NaN unknown."""
    name: tuple[str, ...]
    """[N], may be empty."""
    face_location: NDArray[np.float64]
    """[N, 4] x1 y1 x2 y2 in the uncropped picture, from 1."""
    face_score: NDArray[np.float64]
    """[N] of the detector; -inf where it found no face."""
    second_face_score: NDArray[np.float64]
    """[N] of the next best face; NaN where there is none."""
    celeb_names: tuple[str, ...]
    """IMDb: names that `celeb_id` counts from 1; else empty."""
    celeb_id: NDArray[np.int64]
    """[N] IMDb: index into celeb_names, from 1; 0 where unknown."""

    def __len__(self) -> int:
        return len(self.dob)

    def ages(self) -> NDArray[np.int64]:
        """Return [N] whole years, the picture taken as of July 1st; wrong dates give any number."""
        return ages_at(self.dob, self.photo_taken)


def ages_at(dob: NDArray[np.int64], year: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the age on July 1st of a year, from datenums of birth; both [N], as is the result."""
    # int64 first: uint16(1925) - 1930 is 65531 in NumPy 2.
    ordinal = np.clip(np.asarray(dob, np.int64) - MATLAB_EPOCH, 1, LAST_ORDINAL)
    born = np.datetime64("0001-01-01") + (ordinal - 1)
    months = born.astype("M8[M]").astype(np.int64)
    day = (born - born.astype("M8[M]")).astype(np.int64) + 1
    birth_year, month = months // 12 + 1970, months % 12 + 1
    later = (month > 7) | ((month == 7) & (day > 1))
    ages: NDArray[np.int64] = np.asarray(year, np.int64) - birth_year - later
    return ages


def read_faces(data: bytes, part: str, where: str) -> Faces:
    """Read the bytes of a .mat.

    Args:
        part: "wiki" or "imdb", the name of the struct.
        where: its path, for messages.

    Raises:
        DataError: not a .mat of MATLAB 5 to 7, or a field is missing or of another shape.
    """
    struct = Struct(fields_of(data, part, where), where)
    imdb = "celeb_names" in struct.fields
    return Faces(
        part=part,
        dob=struct.whole("dob"),
        photo_taken=struct.whole("photo_taken"),
        full_path=struct.texts("full_path"),
        gender=struct.numbers("gender"),
        name=struct.texts("name"),
        face_location=struct.boxes("face_location"),
        face_score=struct.numbers("face_score"),
        second_face_score=struct.numbers("second_face_score"),
        celeb_names=struct.names("celeb_names") if imdb else (),
        celeb_id=struct.whole("celeb_id") if imdb else np.zeros(struct.count, np.int64),
    )


def fields_of(data: bytes, part: str, where: str) -> Fields:
    """Return the fields of the struct in a .mat by name."""
    if data.startswith(HDF5) or data.startswith(b"MATLAB 7.3"):
        raise DataError(f"{where} is a MATLAB 7.3 (HDF5) file; load it in MATLAB and save as -v7")
    try:
        found = variable(data, part)
    except DAMAGE as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{where} is not a readable .mat ({why}); download it again") from None
    if not isinstance(found, dict):
        raise DataError(f"{where} holds no struct {part!r}; is it the .mat of IMDB-WIKI?")
    return {name: np.atleast_1d(value) for name, value in found.items()}


class Struct:
    """The fields of a .mat, each checked as it is read; `dob` says how many faces there are."""

    def __init__(self, fields: Fields, where: str) -> None:
        self.fields, self.where = fields, where
        self.count = self.vector("dob").size

    def wrong(self, name: str, what: str) -> DataError:
        """Return the error about a field."""
        return DataError(f"{self.where}: field {name!r} {what}; is it the .mat of IMDB-WIKI?")

    def vector(self, name: str) -> NDArray[Any]:
        """Return a field as one dimension; MATLAB's rows and columns are both vectors."""
        if name not in self.fields:
            raise self.wrong(name, "is missing")
        field = self.fields[name]
        if not field.size or field.size != max(field.shape):
            raise self.wrong(name, f"has shape {field.shape}, not (1, N)")
        return field.reshape(-1)

    def column(self, name: str) -> NDArray[Any]:
        """Return a field that has one value for each face, [N]."""
        field = self.vector(name)
        if field.size != self.count:
            raise self.wrong(name, f"has {field.size} values, and 'dob' has {self.count}")
        return field

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a numeric field, [N] float64."""
        field = self.column(name)
        if field.dtype.kind not in "iufb":
            raise self.wrong(name, f"holds {field.dtype}, not numbers")
        return field.astype(np.float64)

    def whole(self, name: str) -> NDArray[np.int64]:
        """Return a numeric field, [N] int64; what is not finite becomes 0."""
        # All these are far below 2**53, so the way through float64 is exact.
        values = np.nan_to_num(self.numbers(name), nan=0, posinf=0, neginf=0)
        return np.clip(values, -(2**31), 2**32).astype(np.int64)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a field of cells that hold text, [N]; an empty cell is an empty string."""
        self.column(name)
        return self.names(name)

    def names(self, name: str) -> tuple[str, ...]:
        """Return a list of cells that hold text, of any length."""
        field = self.vector(name)
        if field.dtype.kind not in "OU":
            raise self.wrong(name, f"holds {field.dtype}, not text")
        return tuple(text_of(cell) for cell in field)

    def boxes(self, name: str) -> NDArray[np.float64]:
        """Return a field of cells x1 y1 x2 y2, [N, 4] float64."""
        cells = self.column(name)
        bad = next((i for i, cell in enumerate(cells) if np.size(cell) != 4), None)
        if bad is not None:
            raise self.wrong(name, f"has no x1 y1 x2 y2 at position {bad}")
        try:
            return np.array([np.ravel(cell) for cell in cells], np.float64)
        except (TypeError, ValueError):
            raise self.wrong(name, "holds something other than numbers") from None


def text_of(cell: Any) -> str:
    """Return the text of a cell: an array of one or no element, or a string."""
    if isinstance(cell, np.ndarray):
        return str(cell.flat[0]) if cell.size else ""
    return str(cell)
