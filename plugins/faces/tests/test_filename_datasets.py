"""UTKFace, FG-NET, CACD, LFW and ORL: valid and invalid file names, splits, pairs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganzoo_face_aging.face_alignment import CropGeometry
from ganzoo_faces.lfw import parse_pairs

from ganzoo_core.data import assign_age_bins, pack_images
from ganzoo_core.errors import DataError

SHARED = Path(os.environ.get("GANZOO_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
AGE_BINS = (18, 29, 39, 49, 59)

UTK = (
    "100_1_0_20170110183726390.jpg.chip.jpg",
    "1_0_2_20161219140623097.jpg",
    "39_1_20170116174525125.jpg.chip.jpg",
    "55_0_0_20170116232725357jpg.chip.jpg",
    "24_0_1_20170116220224657 .jpg.chip.jpg",
    "part2/61_1_20170109142408075.JPG",
)
UTK_WRONG = (
    "1_0_20161219140623097.jpg",
    "_1_0_2017.jpg",
    "-3_0_0_2017.jpg",
    "me.jpg",
    "٣_0_0_1.jpg",
)


@pytest.mark.parametrize("kind", ["folder", "tar", "gz"])
def test_utkface(tmp_path: Path, kit: Any, kind: str) -> None:
    root = kit.write_images(
        tmp_path / "UTKFace", *UTK, *UTK_WRONG, "200_0_0_2017.jpg", "part2/" + UTK[0]
    )
    kit.write_images(root, ".hidden/9_0_0_1.jpg", "._9_0_0_1.jpg", "Thumbs.db")
    path = {"folder": root, "tar": kit.make_tar(root), "gz": kit.make_tar(root, "w:gz")}[kind]
    data = kit.open_dataset("utkface", path)
    metadata = data.metadata()
    assert (
        metadata.ages.dtype == np.float32
        and metadata.identities is None
        and metadata.labels is None
    )
    assert sorted(metadata.ages.tolist()) == [1, 24, 39, 55, 61, 100]
    assert dict(metadata.removed) == {
        "not image files": 1,
        "hidden files": 2,
        "not named AGE_GENDER_RACE_DATE.jpg": 5,
        "another file of the same name": 1,
        "age below 0": 0,
        "age above 120": 1,
    }
    images = pack_images(data, image_size=16, age_bins=AGE_BINS)
    assert images.info.class_counts == (1, 1, 1, 0, 1, 2) and images.unreadable == ()
    assert images.info.license == "non-commercial research only"


def test_utkface_knows_sex_and_race(tmp_path: Path, kit: Any) -> None:
    data = kit.open_dataset("utkface", kit.write_images(tmp_path / "UTKFace", *UTK))
    found = data.face_attributes()
    names = [data.sample_name(i) for i in range(len(data.records))]
    facts = dict(zip(names, zip(found["sex"], found["race"], strict=True), strict=True))
    assert facts["1_0_2_20161219140623097.jpg"] == ("male", "Asian")
    assert facts["part2/61_1_20170109142408075.JPG"] == ("", "")  # the race is missing


def test_utkface_chips_need_no_face_detection(tmp_path: Path, kit: Any) -> None:
    chips = kit.write_images(tmp_path / "chips", *(n for n in UTK if n.endswith(".chip.jpg")))
    data = kit.open_dataset("utkface", chips, transform="face-align")
    images = pack_images(data, image_size=16)
    assert len(images) == 4 and images.unreadable == ()  # gradients without a face
    assert images.info.crop == {"transform": "face-align", **CropGeometry().to_json()}
    photographs = kit.write_images(tmp_path / "wild", *UTK)
    wild = kit.open_dataset("utkface", photographs, transform="face-align")
    assert wild.keypoints(0) == {}
    with pytest.raises(DataError):
        pack_images(wild, image_size=16)


def test_age_range(tmp_path: Path, kit: Any) -> None:
    root = kit.write_images(tmp_path / "u", *(f"{age}_0_0_1.jpg" for age in range(5, 60, 10)))
    kept = kit.open_dataset("utkface", root, min_age=20, max_age=45)
    assert kept.metadata().ages.tolist() == [25, 35, 45]
    assert "age below 90: 6" in kit.error_message("utkface", root, min_age=90)
    assert "not named 001A05.JPG: 6" in kit.error_message("fgnet", root)


def test_split_by_image(tmp_path: Path, kit: Any) -> None:
    names = [f"{age}_0_0_{day}.jpg" for age in range(10, 60) for day in range(4)]
    root = kit.write_images(tmp_path / "u", *names)
    sides = {
        s: kit.open_dataset("utkface", root, split=s, test_share=0.3) for s in ("train", "test")
    }
    found = {
        s: [data.sample_name(i) for i in range(data.metadata().length)] for s, data in sides.items()
    }
    assert sorted(found["train"] + found["test"]) == sorted(names)
    assert 40 < len(found["test"]) < 80
    assert dict(sides["test"].metadata().removed)["not in the test split"] == len(found["train"])
    again = kit.open_dataset("utkface", kit.make_tar(root), split="test", test_share=0.3)
    assert [r.stable_key for r in again.records] == found["test"]


def test_fgnet(tmp_path: Path, kit: Any) -> None:
    root = kit.write_images(
        tmp_path / "images", "001A05.JPG", "001A43b.JPG", "002a69.jpg", "082A00.JPG"
    )
    kit.write_images(root, "1A05.JPG", "001A5.JPG", "001A05.pts")
    metadata = kit.open_dataset("fgnet", root).metadata()
    assert metadata.ages.tolist() == [5, 43, 69, 0] and metadata.identities.tolist() == [0, 0, 1, 2]
    assert metadata.identities.dtype == np.int64
    assert dict(metadata.removed)["not named 001A05.JPG"] == 2


def test_cacd_names(tmp_path: Path, kit: Any) -> None:
    names = ("14_Ana_0001.jpg", "15_Ana_0002.jpg", "60_Jo_Van_Dé_0010.jpg", "61_李_1.jpg")
    root = kit.write_images(
        tmp_path / "CACD", *names, "x_Ana_0001.jpg", "14__0001.jpg", "14_Ana.jpg"
    )
    # NFD, as macOS writes it: the same person
    kit.write_images(root, "62_Jo_Van_De\u0301_0011.jpg")
    data = kit.open_dataset("cacd", root)
    assert data.identity_names == ("Ana", "Jo_Van_Dé", "李")
    assert data.metadata().identities.tolist() == [0, 0, 1, 2, 1]
    assert dict(data.metadata().removed)["not named 14_Name_0001.jpg"] == 3


def test_splits_are_disjoint_by_person(tmp_path: Path, kit: Any) -> None:
    names = [f"{20 + n}_P{p:02d}_{n:04d}.jpg" for p in range(40) for n in range(3)]
    root = kit.write_images(tmp_path / "CACD", *names)
    whole = kit.open_dataset("cacd", root)
    number = dict(zip([r.path for r in whole.records], whole.metadata().identities, strict=True))
    sides = [kit.open_dataset("cacd", root, split=s, test_share=0.3) for s in ("train", "test")]
    people = [set(side.metadata().identities.tolist()) for side in sides]
    assert not people[0] & people[1] and people[0] | people[1] == set(range(40))
    assert 4 < len(people[1]) < 20
    halves = [kit.open_dataset("cacd", root, split=f"train-{h}", test_share=0.3) for h in "ab"]
    a, b = (set(half.metadata().identities.tolist()) for half in halves)
    assert not a & b and a | b == people[0] and min(len(a), len(b)) > 8
    for side in [*sides, *halves]:
        expected = [number[row.path] for row in side.records]
        assert side.metadata().identities.tolist() == expected


def test_orl(tmp_path: Path, kit: Any) -> None:
    folder = tmp_path / "orl_faces"
    data = kit.image_bytes("PPM", "L", (92, 112))
    kit.write_images(folder, *(f"s{p}/{n}.pgm" for p in (1, 2, 10) for n in (1, 2, 10)), data=data)
    kit.write_images(folder, "README", "s1/x.pgm", "3.pgm", data=data)
    orl = kit.open_dataset("orl", kit.make_tar(folder))
    assert orl.identity_names == ("s01", "s02", "s10")
    assert orl.metadata().length == 9 and np.bincount(orl.metadata().identities).tolist() == [
        3,
        3,
        3,
    ]
    assert orl.load_image(0).mode == "L" and orl.load_image(0).size == (92, 112)
    assert dict(orl.metadata().removed)["not named s1/1.pgm"] == 2


PAIRS = """2\t1
Ana\t1\t2
Ana\t1\tBo\t1
Bo\t1\t2
Ana\t3\tZoë\t1
"""


def lfw(root: Path, kit: Any) -> Path:
    people = {"Ana": 3, "Bo": 2, "Zoë": 1}
    names = [f"{p}/{p}_{n:04d}.jpg" for p, count in people.items() for n in range(1, count + 1)]
    return kit.write_images(root / "lfw", *names)


def test_lfw_pairs(tmp_path: Path, kit: Any) -> None:
    root = lfw(tmp_path, kit)
    (root / "pairs.txt").write_text(PAIRS)
    data = kit.open_dataset("lfw", root)
    assert data.identity_names == ("Ana", "Bo", "Zoë")
    assert data.metadata().identities.tolist() == [0, 0, 0, 1, 1, 2]
    pairs = data.pairs()
    assert pairs.first.tolist() == [0, 0, 3, 2] and pairs.second.tolist() == [1, 3, 4, 5]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 1, 1] and pairs.missing == 0
    (root / "Bo" / "Bo_0002.jpg").unlink()
    pairs = kit.open_dataset("lfw", kit.make_tar(root)).pairs()
    assert len(pairs.first) == 3 and pairs.missing == 1


def test_pairs_file_errors(tmp_path: Path, kit: Any) -> None:
    root = lfw(tmp_path, kit)
    path = tmp_path / "dev.txt"

    def pairs_error(text: bytes | None, **options: Any) -> str:
        if text is not None:
            path.write_bytes(text)
        data = kit.open_dataset("lfw", root, pairs=str(path), **options)
        with pytest.raises(DataError) as caught:
            data.pairs()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    with pytest.raises(DataError, match=r"data\.pairs"):
        kit.open_dataset("lfw", root).pairs()
    assert str(path) in pairs_error(None)
    assert "line 1" in pairs_error(b"")
    assert "line 1" in pairs_error(b"Ana\t1\t2\n")
    assert "line 1" in pairs_error(b"2\nAna\t1\t2\n")
    assert "line 1" in pairs_error(b"0\n")
    assert "line 3" in pairs_error(b"1\nAna\t1\t2\nAna\tone\tBo\t1\n")
    assert "UTF-8" in pairs_error(b"1\n\xff\xfe\n")
    assert str(root) in pairs_error(b"1\nEve 1 2\nEve 1 Ana 1\n")
    path.write_bytes(b"1\r\nAna 1 2\r\n\r\nAna 1 Bo 1\r\n")
    pairs = kit.open_dataset("lfw", root, pairs=str(path)).pairs()
    assert pairs.fold.tolist() == [0, 0] and pairs.same.tolist() == [True, False]


def test_folds_of_published_pairs() -> None:
    body = "".join("A\t1\t2\n" * 300 + "A\t1\tB\t2\n" * 300 for _ in range(10))
    found = parse_pairs("10\t300\n" + body, "pairs.txt")
    assert len(found) == 6000 and [fold for fold, *_ in found[::600]] == list(range(10))
    assert found[300] == (0, ("A", 1), ("B", 2))


def test_escaping_link_is_counted(tmp_path: Path, kit: Any) -> None:
    root = lfw(tmp_path, kit)
    kit.write_images(tmp_path, "out.jpg")
    (root / "Ana" / "Ana_0009.jpg").symlink_to(tmp_path / "out.jpg")
    data = kit.open_dataset("lfw", root)
    assert data.metadata().length == 6
    assert data.metadata().removed == (("rejected, a link that leaves the folder", 1),)


REAL = [
    ("utkface", "UTKFace.tar", 10307, 0),
    ("lfw", "lfw_part.tar", 4100, 565),
    ("orl", "orl_faces.tar", 400, 40),
]


@pytest.mark.parametrize(
    ("name", "file", "images", "people"), [r for r in REAL if (SHARED / r[1]).is_file()]
)
def test_real_datasets(kit: Any, name: str, file: str, images: int, people: int) -> None:
    data = kit.open_dataset(name, SHARED / file)
    metadata = data.metadata()
    assert metadata.length == images and len(data.identity_names) == people
    if name == "utkface":
        counts = np.bincount(assign_age_bins(metadata.ages, AGE_BINS)).tolist()
        assert counts == [1986, 3214, 1927, 981, 1024, 1175]
    sizes = {"utkface": (200, 200), "lfw": (250, 250), "orl": (92, 112)}
    assert data.load_image(images - 1).size == sizes[name]
    sides = [kit.open_dataset(name, SHARED / file, split=s).metadata() for s in ("train", "test")]
    assert sum(side.length for side in sides) == images
    if people:
        train, test = (set(side.identities.tolist()) for side in sides)
        assert test and not train & test and len(train | test) == people
