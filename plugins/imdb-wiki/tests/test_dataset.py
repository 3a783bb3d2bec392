"""IMDB-WIKI: exact counts on a miniature with known errors, and on the real archive."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganzoo_imdb_wiki.config import ImdbWikiConfig
from ganzoo_imdb_wiki.dataset import ImdbWiki
from ganzoo_imdb_wiki.filters import IMDB_ID_OFFSET, PATH_ID_OFFSET
from scipy.io import savemat

from ganzoo_core.data import pack_images
from ganzoo_core.data.splits import split_mask
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import UnreadableImage

AGE_BINS = (18, 29, 39, 49, 59)
DEFAULT_DATA_DIR = Path(__file__).parents[4] / "shared" / "data"
ARCHIVE = Path(os.environ.get("GANZOO_TEST_DATA", DEFAULT_DATA_DIR)) / "wiki_crop.tar"
ARCHIVES: list[tuple[Path | None, list[int]]] = [(None, [1, 1, 7, 2, 2, 2])]
"""(archive, images in each age bin): the miniature, and the real one if it exists."""
if ARCHIVE.is_file():
    ARCHIVES.append((ARCHIVE, [0, 4384, 0, 108, 1553, 0]))


def open_dataset(path: Path, **options: Any) -> ImdbWiki:
    options = {"split": "all", **options}
    return ImdbWiki(ImdbWikiConfig(name="imdb-wiki", path=str(path), **options))


def error_message(path: Path | str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        open_dataset(Path(path), **options) if path else ImdbWiki(ImdbWikiConfig())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def make_tar(folder: Path, path: Path, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as out:
        out.add(folder, arcname=folder.name)
    return path


def paths_except(rows: Any, *unwanted: str) -> list[str]:
    return [row.path for row in rows if row.path not in unwanted]


def test_filters_none(wiki: Path, kit: Any) -> None:
    data = open_dataset(wiki, filters="none")
    assert list(data.names) == paths_except(kit.wiki_rows, kit.missing)
    metadata = data.metadata()
    assert metadata.length == 20 and metadata.removed == (("file missing", 1),)
    assert metadata.ages is not None and metadata.ages.dtype == np.float32
    assert metadata.ages.tolist() == [r.age for r in kit.wiki_rows if r.path != kit.missing]


@pytest.mark.parametrize("rule", ["report-notebook", "authors-script"])
def test_age_rule(wiki: Path, rule: str) -> None:
    """Of the miniature, only the face born on July 1st is a year younger."""
    expected = open_dataset(wiki, filters="none").metadata().ages
    ages = open_dataset(wiki, filters="none", age_rule=rule).metadata().ages
    assert expected is not None and ages is not None
    differs = np.flatnonzero(ages != expected)
    assert differs.tolist() == [1] and (expected[1], ages[1]) == (50, 49)


def test_filters_report(wiki: Path) -> None:
    metadata = open_dataset(wiki).metadata()
    assert metadata.removed == (("file missing", 1), ("age below 1", 2))
    assert metadata.length == 18 and metadata.ages is not None and metadata.ages.max() == 2014


def test_filters_clean(wiki: Path, kit: Any) -> None:
    metadata = open_dataset(wiki, filters="clean").metadata()
    assert dict(metadata.removed) == {
        "file missing": 1,
        "age below 0": 1,
        "age above 100": 2,
        "face score below 1": 2,
        "second face": 1,
        "gender unknown": 1,
    }
    assert metadata.length == len(kit.wiki_rows) - 8


def test_options_override_filters(wiki: Path) -> None:
    data = open_dataset(
        wiki, filters="clean", min_score="any", single_face=False, gender_known=False, max_age=49
    )
    assert dict(data.metadata().removed) == {"file missing": 1, "age below 0": 1, "age above 49": 4}
    data = open_dataset(wiki, filters="none", single_face=True, min_score=0.5)
    assert dict(data.metadata().removed) == {
        "file missing": 1,
        "face score below 0.5": 1,
        "second face": 1,
    }
    assert "(file missing: 1, age below 5000: 20)" in error_message(wiki, min_age=5000)


def test_identities(wiki: Path, imdb: Path) -> None:
    people = open_dataset(wiki, filters="none").metadata().identities
    assert people is not None and people.dtype == np.int64
    assert people[[0, 3]].tolist() == [10000217, 10000217] and people[4] == 5
    assert people[-1] >= PATH_ID_OFFSET and len(set(people.tolist())) == 19
    people = open_dataset(imdb, filters="none").metadata().identities
    assert people is not None
    assert people[:4].tolist() == [IMDB_ID_OFFSET + 64] * 3 + [IMDB_ID_OFFSET + 10000217]


def make_input(wiki: Path, kind: str) -> Path:
    beside = wiki.parent
    if kind == "bare":
        with tarfile.open(beside / "wiki_crop.tar", "w") as out:
            out.add(wiki, arcname=".")
        return beside / "wiki_crop.tar"
    ways = {"folder": lambda: wiki, "parent": lambda: beside}
    ways["tar"] = lambda: make_tar(wiki, beside / "a.tar")
    ways["gz"] = lambda: make_tar(wiki, beside / "wiki_crop.tar.gz", "w:gz")
    return ways[kind]()


@pytest.mark.parametrize("kind", ["folder", "parent", "tar", "gz", "bare"])
def test_input_kinds(wiki: Path, kind: str) -> None:
    reference = pack_images(open_dataset(wiki), image_size=16, age_bins=AGE_BINS)
    images = pack_images(open_dataset(make_input(wiki, kind)), image_size=16, age_bins=AGE_BINS)
    assert images.info.fingerprint == reference.info.fingerprint
    assert images.info.license == "academic research only"
    named = [u.split(": ")[0].rpartition("/")[2].partition("_")[0] for u in images.unreadable]
    assert named == ["16", "18", "20"]
    assert images.info.num_images == 15


def test_both_parts_in_one_folder(wiki: Path, imdb: Path, kit: Any) -> None:
    data = open_dataset(wiki.parent, filters="none")
    assert data.names[0] == f"wiki_crop/{kit.wiki_rows[0].path}"
    assert data.names[-1] == f"imdb_crop/{kit.imdb_rows[-1].path}"
    metadata = data.metadata()
    assert metadata.length == 25 and metadata.removed == (("file missing", 1),)
    assert metadata.ages is not None and metadata.ages[20:].tolist() == [2014, 29, 30, 21, 40]


@pytest.fixture
def split_archives(tmp_path: Path, kit: Any) -> Path:
    """Sparse files like the ten archives of full IMDb images, 285 GB by their headers, and the
    archive of the .mat."""
    folder, rows = tmp_path / "downloads", []
    folder.mkdir()
    for part in range(10):
        with (folder / f"imdb_{part}.tar").open("wb") as out:
            for n in range(4):
                path = f"{part}{n}/nm{part}{n}_rm{n}_1970-1-2_2000.jpg"
                rows.append(kit.Row(path, date(1970, 1, 2), 2000, None, 30))
                add_tar_member(out, f"imdb/{path}", kit.jpeg(kit.gradient(300, 300)), size=2**20)
                add_tar_member(out, f"imdb/{part}{n}/unused.jpg", b"", size=7_125_000_000)
            out.write(bytes(1024))
    buffer = io.BytesIO()
    savemat(buffer, {"imdb": kit.struct(tuple(rows), "imdb", box=(101, 101, 200, 200))})
    with (folder / "imdb_meta.tar").open("wb") as out:
        add_tar_member(out, "imdb/imdb.mat", buffer.getvalue(), size=len(buffer.getvalue()))
        out.write(bytes(1024))
    return folder


def add_tar_member(out: Any, name: str, data: bytes, size: int) -> None:
    """Write the header of a tar member and a sparse file."""
    info = tarfile.TarInfo(name)
    info.size = size
    out.write(info.tobuf() + data)
    out.seek(-(-size // 512) * 512 - len(data), io.SEEK_CUR)
    out.truncate()


def test_downloaded_archives_need_little_memory(split_archives: Path) -> None:
    assert sum(path.stat().st_size for path in split_archives.iterdir()) > 285e9
    tracemalloc.start()
    try:
        data = open_dataset(split_archives)
        images = pack_images(data, image_size=16, age_bins=AGE_BINS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert images.info.class_counts == (0, 0, 40, 0, 0, 0) and images.unreadable == ()
    assert len(images) == images.info.num_identities == 40
    assert data.load_image(0).size == (180, 180)  # the face with its margin, of 300 x 300
    assert peak < 20 * 2**20  # the 40 images have 40 MiB


def test_missing_archive_is_counted(split_archives: Path) -> None:
    (split_archives / "imdb_3.tar").unlink()
    data = open_dataset(split_archives)
    assert data.metadata().length == 36 and dict(data.metadata().removed)["file missing"] == 4
    assert "file missing: 40" in error_message(split_archives / "imdb_meta.tar")
    (split_archives / "imdb_meta.tar").unlink()
    assert "imdb_meta.tar" in error_message(split_archives)


def test_archives_of_both_parts_in_one_folder(wiki: Path, imdb: Path) -> None:
    together = open_dataset(wiki.parent, filters="none")
    down = wiki.parent / "down"
    down.mkdir()
    for folder in (wiki, imdb):
        make_tar(folder, down / f"{folder.name}.tar")
    data = open_dataset(down, filters="none")
    assert sorted(data.names) == sorted(together.names)
    index = data.names.index(together.names[-1])
    assert (
        data.load_image(index).tobytes() == together.load_image(len(together.names) - 1).tobytes()
    )
    with pytest.raises(DataError, match=r"gone\.jpg"):
        data.files.read("imdb_crop/gone.jpg")


def test_unreadable_images(wiki: Path, kit: Any) -> None:
    data = open_dataset(wiki, filters="none", min_size=10)
    found = {}
    for index in range(data.metadata().length):
        try:
            data.load_image(index)
        except UnreadableImage as error:
            found[data.names[index][:2]] = str(error)
    assert set(found) == {"16", "18", "19", "20"}
    assert found["18"] == "empty file" and found["19"] == "smaller than 10 px: 1x1"
    (wiki / kit.wiki_rows[0].path).unlink()
    with pytest.raises(UnreadableImage):
        data.load_image(0)


@pytest.mark.parametrize("name", ["wiki", "elsewhere"])
def test_full_images_are_cropped(tmp_path: Path, kit: Any, name: str) -> None:
    picture = kit.jpeg(kit.gradient(400, 300))
    rows = tuple(
        r._replace(picture=picture)
        for r in (kit.wiki_rows[0], kit.wiki_rows[7]._replace(score=-np.inf))
    )
    root = kit.write(tmp_path / name, rows, "wiki", box=(101, 101, 200, 200))
    layout = "auto" if name == "wiki" else "full"
    data = open_dataset(root, layout=layout, filters="none", image_size=512)
    assert data.load_image(0).size == (180, 180)
    assert data.load_image(1).size == (400, 300)  # no face: the whole image
    assert open_dataset(root, layout=layout, margin=0, image_size=512).load_image(0).size == (
        100,
        100,
    )
    assert open_dataset(root, layout="crop", image_size=512).load_image(0).size == (400, 300)
    assert (
        "smaller than 120 px: 100x100"
        in pack_images(
            open_dataset(root, layout=layout, filters="none", min_size=120), image_size=16
        ).unreadable[0]
    )


def test_split_by_person(imdb: Path, wiki: Path) -> None:
    sides = [
        open_dataset(wiki.parent, filters="none", split=side, test_share=0.3)
        for side in ("train", "test")
    ]
    train, test = (set(side.metadata().identities.tolist()) for side in sides)  # type: ignore[union-attr]
    assert train and test and not train & test
    assert sum(side.metadata().length for side in sides) == 25
    people = np.arange(20000)
    chosen = split_mask(people.tolist(), "test", 0.1)
    assert abs(chosen.mean() - 0.1) < 0.01
    # must never change: the test split is the same on every machine
    assert np.flatnonzero(split_mask(people[:40].tolist(), "test", 0.1)).tolist() == [18, 29]
    np.testing.assert_array_equal(split_mask(people[::-7].tolist(), "test", 0.1), chosen[::-7])
    assert (split_mask(people.tolist(), "test", 0.2) | ~chosen).all()


def test_bad_paths(wiki: Path, tmp_path: Path) -> None:
    assert "--data imdb-wiki:" in error_message("")
    assert str(tmp_path / "gone") in error_message(tmp_path / "gone")
    assert "wiki.mat or imdb.mat" in error_message(wiki / "00")
    (wiki / "again").mkdir()
    (wiki / "again" / "wiki.mat").write_bytes((wiki / "wiki.mat").read_bytes())
    assert "again/wiki.mat and wiki.mat" in error_message(wiki)
    (wiki / "again" / "wiki.mat").unlink()
    (wiki / "wiki.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF")
    assert error_message(wiki).startswith(f"{wiki}: wiki.mat is a MATLAB 7.3")


def test_plugin_import_is_cheap() -> None:
    code = (
        "import sys, ganzoo_imdb_wiki.plugin as p\n"
        "class Zoo(list):\n    add = list.append\n"
        "zoo = Zoo(); p.ganzoo_register(zoo)\n"
        "print(zoo[0].name, zoo[0].fields, zoo[0].license)\n"
        "print(sorted({'torch', 'pydantic', 'numpy', 'PIL', 'scipy'} & set(sys.modules)))"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    first, second = done.stdout.splitlines()
    assert first == "imdb-wiki ('image', 'age', 'identity') academic research only"
    assert second == "[]"


@pytest.mark.parametrize(("path", "counts"), ARCHIVES)
def test_class_counts(wiki: Path, path: Path | None, counts: list[int]) -> None:
    data = open_dataset(path or make_tar(wiki, wiki.parent / "wiki_crop.tar"))
    images = pack_images(data, image_size=32, age_bins=AGE_BINS)
    assert images.info.class_names == ("0-18", "19-29", "30-39", "40-49", "50-59", "60+")
    assert list(images.info.class_counts) == counts and len(images) == sum(counts)
    sides = [
        open_dataset(data.files.path, split=side, test_share=0.5).names
        for side in ("train", "test")
    ]
    assert sorted(sides[0] + sides[1]) == sorted(data.names)
    if path:
        assert data.metadata().removed == (("file missing", 0), ("age below 1", 0))
        assert images.unreadable == () and images.info.num_identities == 6045
        assert abs(len(sides[1]) / 6045 - 0.5) < 0.02
