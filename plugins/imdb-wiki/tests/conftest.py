"""Miniature wiki_crop and imdb_crop folders with the published layout and its known errors.

The images are gradients.
"""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

INF, NAN = float("inf"), float("nan")


class FaceRow(NamedTuple):
    """One face; without a file if `picture` is None."""

    path: str
    birth: date | int
    year: int
    picture: bytes | None
    age: int
    gender: float = 0.0
    name: str = "Ada"
    score: float = 4.5
    second_score: float = NAN
    celeb: int = 0


def gradient(width: int = 40, height: int = 50, mode: str = "RGB") -> Image.Image:
    """Return a gradient: red increases to the right, green downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels).convert(mode)


def jpeg(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, **options)
    return out.getvalue()


GOOD = jpeg(gradient())

WIKI = (
    FaceRow("17/10000217_1981-05-05_2009.jpg", date(1981, 5, 5), 2009, GOOD, 28),
    FaceRow(
        "00/200_1950-07-01_2000.jpg", date(1950, 7, 1), 2000, jpeg(gradient(mode="L")), 50, 1.0
    ),
    FaceRow("00/300_1950-07-02_2000.jpg", date(1950, 7, 2), 2000, jpeg(gradient(mode="CMYK")), 49),
    FaceRow("17/10000217_1981-05-05_2019.jpg", date(1981, 5, 5), 2019, GOOD, 38, 1.0, "李 Łukasz"),
    FaceRow("05/5_1963-02-006_2010.jpg", date(1963, 2, 6), 2010, GOOD, 47),
    FaceRow("06/6_1994-11-18._2013.jpg", date(1994, 11, 18), 2013, GOOD, 18, name=""),
    FaceRow("07/7_1946-11-00_2003.jpg", date(1946, 10, 31), 2003, GOOD, 56),
    FaceRow("08/8_1970-01-01_2000.jpg", date(1970, 1, 1), 2000, GOOD, 30, score=-INF),
    FaceRow("09/9_1970-01-01_2001.jpg", date(1970, 1, 1), 2001, GOOD, 31, score=0.5),
    FaceRow("10/10_1970-01-01_2002.jpg", date(1970, 1, 1), 2002, GOOD, 32, second_score=2.5),
    FaceRow("11/11_1980-01-01_1925.jpg", date(1980, 1, 1), 1925, GOOD, -55),
    FaceRow("12/12_1900-01-01_1900.jpg", date(1900, 1, 1), 1900, GOOD, 0),
    FaceRow("13/13_1880-01-01_2010.jpg", date(1880, 1, 1), 2010, GOOD, 130),
    FaceRow("14/14_0-0-0_2015.jpg", 47, 2015, GOOD, 2014),
    FaceRow("15/15_1970-01-01_2003.jpg", date(1970, 1, 1), 2003, GOOD, 33, gender=NAN),
    FaceRow("16/16_1970-01-01_2004.jpg", date(1970, 1, 1), 2004, b"\xff\xd8 no jpeg at all", 34),
    FaceRow("18/18_1970-01-01_2005.jpg", date(1970, 1, 1), 2005, b"", 35),
    FaceRow("19/19_1970-01-01_2006.jpg", date(1970, 1, 1), 2006, jpeg(gradient(1, 1)), 36),
    FaceRow("20/20_1970-01-01_2007.jpg", date(1970, 1, 1), 2007, GOOD[: len(GOOD) // 2], 37),
    FaceRow("21/21_1970-01-01_2008.jpg", date(1970, 1, 1), 2008, None, 38),
    FaceRow("22/josé.jpg", date(1970, 1, 1), 2009, GOOD, 39, name="José"),
)
MISSING = "21/21_1970-01-01_2008.jpg"

IMDB = (
    FaceRow("64/nm64_rm1_0-7-31_2015.jpg", 1, 2015, GOOD, 2014, celeb=1),
    FaceRow("64/nm64_rm2_1970-7-31_2000.jpg", date(1970, 7, 31), 2000, GOOD, 29, celeb=1),
    FaceRow("64/nm64_rm3_1970-7-31_2001.jpg", date(1970, 7, 31), 2001, GOOD, 30, celeb=1),
    FaceRow("17/nm10000217_rm4_1990-1-2_2011.jpg", date(1990, 1, 2), 2011, GOOD, 21, 1.0, celeb=2),
    FaceRow("03/portrait.jpg", date(1960, 1, 2), 2000, GOOD, 40, 1.0, celeb=3),
)
CELEBRITIES = ("Bo", "Cy", "Dé")


def matlab_row(values: list[Any], dtype: Any) -> NDArray[Any]:
    """Return values as a (1, N) array."""
    out = np.empty((1, len(values)), dtype)
    out[0] = values
    return out


def matlab_cell_array(values: list[Any]) -> NDArray[Any]:
    """Return values as a (1, N) cell array."""
    out = np.empty((1, len(values)), object)
    for i, value in enumerate(values):
        out[0, i] = value
    return out


def mat_struct(
    rows: tuple[FaceRow, ...], part: str, box: tuple[float, ...] = (1, 1, 40, 50)
) -> dict[str, Any]:
    """Return the struct of a .mat, with the field order and types of the original."""
    born = [b if isinstance(b, int) else b.toordinal() + 366 for b in (r.birth for r in rows)]
    fields = {
        "dob": matlab_row(born, np.int32),
        "photo_taken": matlab_row([r.year for r in rows], np.uint16),
        "full_path": matlab_cell_array([r.path for r in rows]),
        "gender": matlab_row([r.gender for r in rows], np.float64),
        "name": matlab_cell_array([r.name for r in rows]),
        "face_location": matlab_cell_array([np.array([box], np.float64) for _ in rows]),
        "face_score": matlab_row([r.score for r in rows], np.float64),
        "second_face_score": matlab_row([r.second_score for r in rows], np.float64),
    }
    if part == "imdb":
        fields["celeb_names"] = matlab_cell_array(list(CELEBRITIES))
        fields["celeb_id"] = matlab_row([r.celeb for r in rows], np.float64)
    return fields


def write_part(folder: Path, rows: tuple[FaceRow, ...], part: str, **options: Any) -> Path:
    """Write the folder of a part, with its .mat."""
    for r in rows:
        if r.picture is not None:
            (folder / r.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / r.path).write_bytes(r.picture)
    savemat(folder / f"{part}.mat", {part: mat_struct(rows, part, **options)})
    return folder


class Kit(NamedTuple):
    """The functions and constants above, for tests."""

    Row: type[FaceRow]
    wiki_rows: tuple[FaceRow, ...]
    imdb_rows: tuple[FaceRow, ...]
    missing: str
    good: bytes
    write: Any
    struct: Any
    gradient: Any
    jpeg: Any


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit(FaceRow, WIKI, IMDB, MISSING, GOOD, write_part, mat_struct, gradient, jpeg)


@pytest.fixture
def wiki(tmp_path: Path) -> Path:
    """Return a miniature wiki_crop."""
    return write_part(tmp_path / "wiki_crop", WIKI, "wiki")


@pytest.fixture
def imdb(tmp_path: Path) -> Path:
    """Return a miniature imdb_crop, in the same folder as wiki_crop."""
    return write_part(tmp_path / "imdb_crop", IMDB, "imdb")
