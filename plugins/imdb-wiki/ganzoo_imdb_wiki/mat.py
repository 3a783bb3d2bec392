"""wiki.mat and imdb.mat as arrays.

The layout is that of the IMDB-WIKI authors: a (1, 1) struct `wiki` or `imdb` whose fields are
(1, N) arrays. https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

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
    return np.asarray(year, np.int64) - birth_year - later


def read_faces(data: bytes, part: str, where: str) -> Faces:
    """Read the bytes of a .mat.

    Args:
        part: "wiki" or "imdb", the name of the struct.
        where: its path, for messages.

    Raises:
        DataError: not a .mat of MATLAB 5 to 7, or a field is missing or of another shape.
    """
    fields = struct_of(data, part, where)
    count = vector(fields, "dob", where).size
    known = {"count": count, "where": where}
    imdb = "celeb_names" in fields
    return Faces(
        part=part,
        dob=whole(fields, "dob", **known),
        photo_taken=whole(fields, "photo_taken", **known),
        full_path=texts(fields, "full_path", **known),
        gender=numbers(fields, "gender", **known),
        name=texts(fields, "name", **known),
        face_location=boxes(fields, "face_location", **known),
        face_score=numbers(fields, "face_score", **known),
        second_face_score=numbers(fields, "second_face_score", **known),
        celeb_names=texts(fields, "celeb_names", None, where) if imdb else (),
        celeb_id=whole(fields, "celeb_id", **known) if imdb else np.zeros(count, np.int64),
    )


def struct_of(data: bytes, part: str, where: str) -> Fields:
    """Return the fields of the struct in a .mat by name."""
    if data.startswith(HDF5) or data[:128].startswith(b"MATLAB 7.3"):
        raise DataError(f"{where} is a MATLAB 7.3 (HDF5) file; in MATLAB, load it and save('-v7')")
    try:
        found = loadmat(io.BytesIO(data), variable_names=[part])
    except Exception as error:  # scipy raises nearly anything on bytes that are no .mat
        why = " ".join(str(error).split())[:100] or type(error).__name__
        raise DataError(f"{where} is not a readable .mat ({why}); download it again") from None
    struct = found.get(part)
    if not isinstance(struct, np.ndarray) or struct.size != 1 or not struct.dtype.names:
        raise DataError(f"{where} holds no struct {part!r}; is it the .mat of IMDB-WIKI?")
    record = struct.reshape(-1)[0]
    return {name: np.asarray(record[name]) for name in struct.dtype.names}


def vector(fields: Fields, name: str, where: str, count: int | None = None) -> NDArray[Any]:
    """Return a field as [N]; MATLAB's rows and columns are both vectors."""
    if name not in fields:
        raise DataError(f"{where}: there is no field {name!r}; is it the .mat of IMDB-WIKI?")
    field = fields[name]
    if field.size != max(field.shape, default=0) or (count is not None and field.size != count):
        wanted = "one row" if count is None else f"{count} values as in 'dob'"
        raise DataError(f"{where}: field {name!r} has shape {field.shape}, not {wanted}")
    return field.reshape(-1)


def numbers(fields: Fields, name: str, count: int, where: str) -> NDArray[np.float64]:
    """Return a numeric field, [N] float64."""
    field = vector(fields, name, where, count)
    if field.dtype.kind not in "iufb":
        raise DataError(f"{where}: field {name!r} holds {field.dtype}, not numbers")
    return field.astype(np.float64)


def whole(fields: Fields, name: str, count: int, where: str) -> NDArray[np.int64]:
    """Return a numeric field, [N] int64; what is not finite becomes 0."""
    # All these are below 2**53 where they mean anything, so the way through float is exact.
    values = np.nan_to_num(numbers(fields, name, count, where), nan=0, posinf=0, neginf=0)
    return np.clip(values, -(2**31), 2**32).astype(np.int64)


def texts(fields: Fields, name: str, count: int | None, where: str) -> tuple[str, ...]:
    """Return a field of cells as strings, [N]; an empty cell is an empty string."""
    field = vector(fields, name, where, count)
    if field.dtype.kind not in "OU":
        raise DataError(f"{where}: field {name!r} holds {field.dtype}, not text")
    return tuple(text_of(cell) for cell in field)


def text_of(cell: Any) -> str:
    """Return the text of a cell: a one-element or empty array, or a string."""
    if isinstance(cell, np.ndarray):
        return text_of(cell.flat[0]) if cell.size else ""
    return str(cell)


def boxes(fields: Fields, name: str, count: int, where: str) -> NDArray[np.float64]:
    """Return a field of cells as [N, 4] float64."""
    cells = vector(fields, name, where, count)
    bad = next((i for i, cell in enumerate(cells) if np.size(cell) != 4), None)
    if bad is not None:
        raise DataError(f"{where}: field {name!r} has no x1 y1 x2 y2 at position {bad}")
    try:
        return np.array([np.ravel(cell) for cell in cells], np.float64).reshape(count, 4)
    except (TypeError, ValueError):
        raise DataError(f"{where}: field {name!r} holds something other than numbers") from None
