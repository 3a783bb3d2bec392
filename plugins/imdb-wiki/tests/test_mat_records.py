"""The .mat: dates, ages, fields, and invalid files."""

from __future__ import annotations

import io
import random
import struct
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganzoo_imdb_wiki.config import ImdbWikiConfig
from ganzoo_imdb_wiki.filters import iter_filter_masks
from ganzoo_imdb_wiki.mat_records import ages_at_photo, read_face_records
from scipy.io import loadmat, savemat

from ganzoo_core.data.matlab import read_variable
from ganzoo_core.errors import DataError


def mat_bytes(values: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    savemat(out, values)
    return out.getvalue()


def error_message(data: bytes, part: str = "wiki") -> str:
    with pytest.raises(DataError) as caught:
        read_face_records(data, part, "a.tar: wiki.mat")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("a.tar: wiki.mat")
    return str(caught.value)


def test_known_dates() -> None:
    assert date.fromordinal(723671 - 366) == date(1981, 5, 5)
    born = np.array([723671, 723671, 1, -5, 0, 2**31 - 1])
    year = np.array([2009, 1925, 2015, 2015, 2015, 2000], np.uint16)
    assert ages_at_photo(born, year).tolist() == [28, -56, 2014, 2014, 2014, -8000]


def test_ages_match_calendar() -> None:
    rng = random.Random(0)
    born = [
        date(rng.randrange(1800, 2030), rng.randrange(1, 13), rng.randrange(1, 29))
        for _ in range(3000)
    ]
    born += [
        date(1950, 6, 30),
        date(1950, 7, 1),
        date(1950, 7, 2),
        date(2000, 2, 29),
        date(1, 1, 1),
    ]
    years = [rng.randrange(1850, 2020) for _ in born]
    wanted = [y - b.year - ((b.month, b.day) > (7, 1)) for b, y in zip(born, years, strict=True)]
    datenums = np.array([b.toordinal() + 366 for b in born], np.int32)
    assert ages_at_photo(datenums, np.array(years, np.uint16)).tolist() == wanted


@pytest.mark.parametrize(
    ("birth", "year", "mid_year", "notebook", "script"),
    [
        (date(1980, 1, 1), 2000, 20, 20, 20),
        (date(1980, 6, 29), 2000, 20, 20, 20),
        (date(1980, 6, 30), 2000, 20, 20, 20),
        (date(1980, 6, 30), 2001, 21, 21, 20),  # 7,671 days; year 21 begins with day 7,672
        (date(1980, 7, 1), 2000, 20, 19, 19),
        (date(1980, 7, 2), 2000, 19, 19, 19),
        (date(1980, 12, 31), 2000, 19, 19, 19),
        (date(1999, 12, 31), 2000, 0, 0, 0),
        (date(1980, 2, 29), 1975, -5, -5, -5),
    ],
)
def test_age_rules(birth: date, year: int, mid_year: int, notebook: int, script: int) -> None:
    args = np.array([birth.toordinal() + 366]), np.array([year], np.uint16)
    assert ages_at_photo(*args, "mid-year").tolist() == [mid_year]
    assert ages_at_photo(*args, "report-notebook").tolist() == [notebook]
    assert ages_at_photo(*args, "authors-script").tolist() == [script]


def test_age_rules_differ_only_around_july_first() -> None:
    days = np.arange(date(1900, 1, 1).toordinal(), date(2000, 1, 1).toordinal()) + 366
    births = [date.fromordinal(day - 366) for day in days.tolist()]
    for year in (2000, 2001, 2015):
        years = np.full(len(days), year)
        mid_year = ages_at_photo(days, years)
        differing = {}
        for rule in ("report-notebook", "authors-script"):
            ages = ages_at_photo(days, years, rule)
            assert set((mid_year - ages).tolist()) == {0, 1}
            differing[rule] = {births[i].strftime("%m-%d") for i in np.flatnonzero(ages < mid_year)}
        assert differing["report-notebook"] == {"07-01"}
        assert {"07-01"} <= differing["authors-script"] <= {"06-30", "07-01"}


def test_wiki_fields(wiki: Path, kit: Any) -> None:
    faces, rows = read_face_records((wiki / "wiki.mat").read_bytes(), "wiki", "w"), kit.wiki_rows
    assert len(faces) == len(rows)
    assert faces.full_path == tuple(r.path for r in rows)
    assert faces.name == tuple(r.name for r in rows)
    assert faces.ages().tolist() == [r.age for r in rows]
    assert faces.photo_taken.tolist() == [r.year for r in rows]
    np.testing.assert_array_equal(faces.gender, [r.gender for r in rows])
    np.testing.assert_array_equal(faces.face_score, [r.score for r in rows])
    np.testing.assert_array_equal(faces.second_face_score, [r.second_score for r in rows])
    assert faces.face_location.tolist() == [[1, 1, 40, 50]] * len(rows)
    assert faces.celeb_names == () and not faces.celeb_id.any()


def test_imdb_fields(imdb: Path, kit: Any) -> None:
    faces = read_face_records((imdb / "imdb.mat").read_bytes(), "imdb", "i")
    assert faces.ages().tolist() == [r.age for r in kit.imdb_rows] == [2014, 29, 30, 21, 40]
    assert faces.celeb_names == ("Bo", "Cy", "Dé")
    assert faces.celeb_id.tolist() == [1, 1, 1, 2, 3]


def test_column_vectors_and_single_face(kit: Any) -> None:
    fields = {k: v.T for k, v in kit.struct(kit.wiki_rows, "wiki").items()}
    assert len(read_face_records(mat_bytes({"wiki": fields}), "wiki", "w")) == len(kit.wiki_rows)
    one = read_face_records(mat_bytes({"wiki": kit.struct(kit.wiki_rows[:1], "wiki")}), "wiki", "w")
    assert one.full_path == (kit.wiki_rows[0].path,)


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_reader_matches_scipy(kit: Any, compressed: bool) -> None:
    out = io.BytesIO()
    savemat(out, {"x": 1, "imdb": kit.struct(kit.imdb_rows, "imdb")}, do_compression=compressed)
    ours, theirs = read_variable(out.getvalue(), "imdb"), loadmat(out)["imdb"][0, 0]
    assert tuple(ours) == theirs.dtype.names
    for name in ("dob", "photo_taken", "gender", "face_score", "second_face_score", "celeb_id"):
        np.testing.assert_array_equal(ours[name], theirs[name])
        assert ours[name].dtype == theirs[name].dtype
    for name in ("full_path", "name", "celeb_names"):
        assert ours[name].shape == theirs[name].shape
        assert ours[name].tolist() == [["".join(cell) for cell in theirs[name][0]]]
    np.testing.assert_array_equal(
        np.stack(ours["face_location"][0]), np.stack(theirs["face_location"][0])
    )


def test_big_endian_utf16_text() -> None:
    # MATLAB writes text as 16-bit units; here big-endian
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    flags, shape = struct.pack(">II", 4, 0), struct.pack(">ii", 1, 4)
    body = (
        element(6, flags)
        + element(5, shape)
        + element(1, b"s")
        + element(4, "Zoë李".encode("utf-16-be"))
    )
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    assert read_variable(header + element(14, body), "s") == "Zoë李"
    assert read_variable(header + element(14, body), "t") is None


FIELDS = (
    "dob",
    "photo_taken",
    "full_path",
    "gender",
    "name",
    "face_location",
    "face_score",
    "second_face_score",
)


@pytest.mark.parametrize("name", FIELDS)
def test_missing_or_misshaped_field(kit: Any, name: str) -> None:
    good = kit.struct(kit.wiki_rows, "wiki")
    assert f"{name!r} is missing" in error_message(
        mat_bytes({"wiki": {k: v for k, v in good.items() if k != name}})
    )
    assert f"{name!r} has shape" in error_message(
        mat_bytes({"wiki": {**good, name: np.zeros((3, 4))}})
    )
    assert f"{name!r} has shape" in error_message(
        mat_bytes({"wiki": {**good, name: np.zeros((1, 0))}})
    )
    short = error_message(mat_bytes({"wiki": {**good, name: good[name][:, :-1]}}))
    assert f"has {len(kit.wiki_rows) - 1}" in short


def test_field_of_wrong_type(kit: Any) -> None:
    good = kit.struct(kit.wiki_rows, "wiki")
    assert "'gender'" in error_message(mat_bytes({"wiki": {**good, "gender": good["name"]}}))
    assert "'name'" in error_message(mat_bytes({"wiki": {**good, "name": good["gender"]}}))
    boxes = good["face_location"].copy()
    boxes[0, 7] = np.zeros((1, 3))
    assert "'face_location'" in error_message(mat_bytes({"wiki": {**good, "face_location": boxes}}))
    boxes[0, 7] = np.array([["a", "b", "c", "d"]], object)
    assert "'face_location'" in error_message(mat_bytes({"wiki": {**good, "face_location": boxes}}))


def test_numeric_types(kit: Any) -> None:
    rows = [row for row in kit.wiki_rows if row.age > 0]
    good = kit.struct(rows, "wiki")
    other = {
        "dob": np.float64,
        "photo_taken": np.float32,
        "gender": np.float32,
        "face_score": np.float32,
        "second_face_score": np.float32,
    }
    changed = {name: good[name].astype(kind) for name, kind in other.items()}
    faces = read_face_records(mat_bytes({"wiki": {**good, **changed}}), "wiki", "w")
    assert faces.ages().tolist() == [row.age for row in rows]
    assert faces.dob.dtype == faces.photo_taken.dtype == np.int64
    small = {**good, "dob": good["dob"] * 0 + 200, "gender": np.ones((1, len(rows)), np.uint8)}
    small["dob"] = small["dob"].astype(np.uint8)
    faces = read_face_records(mat_bytes({"wiki": small}), "wiki", "w")
    assert (faces.ages() == faces.photo_taken - 1).all() and (faces.gender == 1).all()


def test_all_nan(kit: Any) -> None:
    nothing = np.full((1, len(kit.wiki_rows)), np.nan)
    numbers = ("dob", "photo_taken", "gender", "face_score", "second_face_score")
    boxes = np.empty((1, len(kit.wiki_rows)), object)
    for index in range(len(kit.wiki_rows)):
        boxes[0, index] = np.full((1, 4), np.nan)
    broken = {**dict.fromkeys(numbers, nothing), "face_location": boxes}
    faces = read_face_records(
        mat_bytes({"wiki": {**kit.struct(kit.wiki_rows, "wiki"), **broken}}), "wiki", "w"
    )
    assert (faces.ages() < 0).all() and np.isnan(faces.face_location).all()
    for filters, reason in (("report", "age below 1"), ("clean", "age below 0")):
        kept = list(iter_filter_masks(faces, ImdbWikiConfig(filters=filters)))
        assert kept[0][0] == reason and not kept[0][1].any()


def test_other_file_formats(kit: Any) -> None:
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n"
    assert "HDF5" in error_message(head)
    assert "HDF5" in error_message(b"\x89HDF\r\n\x1a\n")
    error_message(b"")
    error_message(b"hello" * 100)
    whole = mat_bytes({"wiki": kit.struct(kit.wiki_rows, "wiki")})
    error_message(whole[: len(whole) // 2])
    assert "'imdb'" in error_message(whole, "imdb")
    assert "'wiki'" in error_message(mat_bytes({"wiki": np.zeros(3)}))


def test_mutated_mat_files(kit: Any) -> None:
    good, rng, read = mat_bytes({"wiki": kit.struct(kit.wiki_rows, "wiki")}), random.Random(3), 0
    for _ in range(1000):
        data = bytearray(good)
        for _ in range(rng.choice([1, 2, 8])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            faces = read_face_records(
                bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]), "wiki", "w"
            )
        except DataError as error:
            assert "\n" not in str(error)
        else:
            read += 1
            assert faces.ages().dtype == np.int64 and len(faces.name) == len(faces)
    assert 0 < read < 1000
