"""Read wiki.mat and imdb.mat as arrays.

The layout is that of the IMDB-WIKI authors: a (1, 1) struct `wiki` or `imdb` whose fields are
(1, N) arrays. https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.matlab import MAT_ERRORS, read_variable
from ganzoo_core.errors import DataError
from ganzoo_imdb_wiki.config import AgeRule

_Fields = Mapping[str, NDArray[Any]]

_MATLAB_EPOCH = 366
"""A MATLAB datenum less this is Python's proleptic ordinal: 723671 is 1981-05-05."""
_MAX_ORDINAL = 3652059
"""9999-12-31."""
_HDF5_MAGIC = b"\x89HDF"


@dataclass(frozen=True, kw_only=True)
class FaceRecords:
    """One part, WIKI or IMDb: N images of one face each, in the order of the .mat."""

    part: str
    """wiki or imdb."""
    dob: NDArray[np.int64]
    """[N] date of birth, MATLAB datenum; 0, 1, ... if the date was malformed."""
    photo_taken: NDArray[np.int64]
    """[N] year of the photograph."""
    full_path: tuple[str, ...]
    """[N], such as 17/10000217_1981-05-05_2009.jpg."""
    gender: NDArray[np.float64]
    """[N] 0 female, 1 male, NaN unknown."""
    name: tuple[str, ...]
    """[N], may be empty."""
    face_location: NDArray[np.float64]
    """[N, 4] x1 y1 x2 y2 in the uncropped image, from 1."""
    face_score: NDArray[np.float64]
    """[N] score of the detector; -inf without a face."""
    second_face_score: NDArray[np.float64]
    """[N] score of the second face; NaN without one."""
    celeb_names: tuple[str, ...]
    """IMDb: the names that `celeb_id` indexes from 1; WIKI: empty."""
    celeb_id: NDArray[np.int64]
    """[N] IMDb: index into celeb_names, from 1; 0 if unknown."""

    def __len__(self) -> int:
        return len(self.dob)

    def ages(self, rule: AgeRule = "mid-year") -> NDArray[np.int64]:
        """Return [N] ages in whole years at the photograph; not validated."""
        return ages_at_photo(self.dob, self.photo_taken, rule)


def ages_at_photo(
    dob: NDArray[np.int64], year: NDArray[np.int64], rule: AgeRule = "mid-year"
) -> NDArray[np.int64]:
    """Return the ages [N] in whole years, from datenums of birth [N] and years of the photo [N].

    - ``mid-year``: on July 1st of the year.
    - ``report-notebook``: the year less the year of birth, less 1 from a birth in July on (source
      report, `calc_age` of its notebook). Someone born on July 1st is a year younger.
    - ``authors-script``: ``datevec(datenum(year, 7, 1) - dob)`` of the data set's web page: the
      days of life as a date, and its year. Year 0 has 366 days, so someone born on July 1st, and
      before some years also on June 30th, is a year younger.
    """
    # int64 first: uint16(1925) - 1930 is 65531 in NumPy 2
    year = np.asarray(year, np.int64)
    ordinal = np.clip(np.asarray(dob, np.int64) - _MATLAB_EPOCH, 1, _MAX_ORDINAL)
    born = np.datetime64("0001-01-01") + (ordinal - 1)
    if rule == "authors-script":
        july_first = ((year - 1970) * 12 + 6).astype("M8[M]").astype("M8[D]")
        days_of_life = (july_first - born).astype(np.int64)
        return _year_and_month(np.datetime64("0000-01-01") + (days_of_life - 1))[0]
    if rule == "mid-year":
        born = born - 1  # July 1st becomes June 30th, a birthday before the photograph
    birth_year, month = _year_and_month(born)
    return year - birth_year - (month >= 7)


def _year_and_month(dates: NDArray[np.datetime64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    months = dates.astype("M8[M]").astype(np.int64)
    return months // 12 + 1970, months % 12 + 1


def read_face_records(data: bytes, part: str, path: str) -> FaceRecords:
    """Read the bytes of a .mat.

    Args:
        data: the bytes.
        part: "wiki" or "imdb", the name of the struct.
        path: of the file, for messages.

    Raises:
        DataError: not a .mat of MATLAB 5 to 7, or a field is missing or has another shape.
    """
    struct = _FieldReader(_read_struct_fields(data, part, path), path)
    imdb = "celeb_names" in struct.fields
    return FaceRecords(
        part=part,
        dob=struct.read_ints("dob"),
        photo_taken=struct.read_ints("photo_taken"),
        full_path=struct.read_strings("full_path"),
        gender=struct.read_floats("gender"),
        name=struct.read_strings("name"),
        face_location=struct.read_boxes("face_location"),
        face_score=struct.read_floats("face_score"),
        second_face_score=struct.read_floats("second_face_score"),
        celeb_names=struct.read_cell_strings("celeb_names") if imdb else (),
        celeb_id=struct.read_ints("celeb_id") if imdb else np.zeros(struct.count, np.int64),
    )


def _read_struct_fields(data: bytes, part: str, path: str) -> _Fields:
    if data.startswith(_HDF5_MAGIC) or data.startswith(b"MATLAB 7.3"):
        raise DataError(f"{path} is a MATLAB 7.3 (HDF5) file; load it in MATLAB and save as -v7")
    try:
        found = read_variable(data, part)
    except MAT_ERRORS as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} is not a readable .mat ({why}); download it again") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} contains no struct {part!r}; is it the .mat of IMDB-WIKI?")
    return {name: np.atleast_1d(value) for name, value in found.items()}


class _FieldReader:
    """Reads and checks the fields of a .mat; `dob` determines the number of faces."""

    def __init__(self, fields: _Fields, path: str) -> None:
        self.fields, self.path = fields, path
        self.count = self._read_vector("dob").size

    def _field_error(self, name: str, problem: str) -> DataError:
        return DataError(f"{self.path}: field {name!r} {problem}; is it the .mat of IMDB-WIKI?")

    def _read_vector(self, name: str) -> NDArray[Any]:
        """Return a field as a vector; it may be a row or a column."""
        if name not in self.fields:
            raise self._field_error(name, "is missing")
        field = self.fields[name]
        if not field.size or field.size != max(field.shape):
            raise self._field_error(name, f"has shape {field.shape}, not (1, N)")
        return field.reshape(-1)

    def _read_column(self, name: str) -> NDArray[Any]:
        """Return a field with one value for each face, [N]."""
        field = self._read_vector(name)
        if field.size != self.count:
            raise self._field_error(name, f"has {field.size} values, and 'dob' has {self.count}")
        return field

    def read_floats(self, name: str) -> NDArray[np.float64]:
        """Return a numeric field, [N] float64."""
        field = self._read_column(name)
        if field.dtype.kind not in "iufb":
            raise self._field_error(name, f"contains {field.dtype}, not numbers")
        return field.astype(np.float64)

    def read_ints(self, name: str) -> NDArray[np.int64]:
        """Return a numeric field, [N] int64; values that are not finite become 0."""
        # all values are far below 2**53, so float64 is exact
        values = np.nan_to_num(self.read_floats(name), nan=0, posinf=0, neginf=0)
        return np.clip(values, -(2**31), 2**32).astype(np.int64)

    def read_strings(self, name: str) -> tuple[str, ...]:
        """Return a field of text cells, [N]; an empty cell is an empty string."""
        self._read_column(name)
        return self.read_cell_strings(name)

    def read_cell_strings(self, name: str) -> tuple[str, ...]:
        """Return a list of text cells, of any length."""
        field = self._read_vector(name)
        if field.dtype.kind not in "OU":
            raise self._field_error(name, f"contains {field.dtype}, not text")
        return tuple(_cell_to_str(cell) for cell in field)

    def read_boxes(self, name: str) -> NDArray[np.float64]:
        """Return a field of cells with x1 y1 x2 y2, [N, 4] float64."""
        cells = self._read_column(name)
        bad = next((i for i, cell in enumerate(cells) if np.size(cell) != 4), None)
        if bad is not None:
            raise self._field_error(name, f"has no x1 y1 x2 y2 at position {bad}")
        try:
            return np.array([np.ravel(cell) for cell in cells], np.float64)
        except (TypeError, ValueError):
            raise self._field_error(name, "contains values that are not numbers") from None


def _cell_to_str(cell: Any) -> str:
    """Return the text of a cell: a string, or an array with at most one element."""
    if isinstance(cell, np.ndarray):
        return str(cell.flat[0]) if cell.size else ""
    return str(cell)
