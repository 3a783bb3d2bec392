"""UTKFace, FG-NET, CACD, LFW and ORL: what names say, and names that do not say it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganzoo_faces.lfw import read_pairs

from ganzoo_core.data import group_of, prepare
from ganzoo_core.data.faces import CropGeometry
from ganzoo_core.errors import DataError

SHARED = Path(os.environ.get("GANZOO_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
GROUPS = (18, 29, 39, 49, 59)

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


@pytest.mark.parametrize("way", ["folder", "tar", "gz"])
def test_utkface(tmp_path: Path, kit: Any, way: str) -> None:
    root = kit.fill(tmp_path / "UTKFace", *UTK, *UTK_WRONG, "200_0_0_2017.jpg", "part2/" + UTK[0])
    kit.fill(root, ".hidden/9_0_0_1.jpg", "._9_0_0_1.jpg", "Thumbs.db")
    path = {"folder": root, "tar": kit.packed(root), "gz": kit.packed(root, "w:gz")}[way]
    data = kit.opened("utkface", path)
    table = data.table()
    assert table.ages.dtype == np.float32 and table.identities is None and table.labels is None
    assert sorted(table.ages.tolist()) == [1, 24, 39, 55, 61, 100]
    assert dict(table.removed) == {
        "files that are no pictures by their names": 1,
        "hidden files": 2,
        "not named AGE_GENDER_RACE_DATE.jpg": 5,
        "another file of the same name": 1,
        "age below 0": 0,
        "age above 120": 1,
    }
    images = prepare(data, size=16, groups=GROUPS)
    assert images.info.counts == (1, 1, 1, 0, 1, 2) and images.unreadable == ()
    assert images.info.license == "non-commercial research only"


def test_chips_of_utkface_are_aligned_without_looking_for_faces(tmp_path: Path, kit: Any) -> None:
    chips = [name for name in UTK if name.endswith(".chip.jpg")]
    data = kit.opened("utkface", kit.fill(tmp_path / "chips", *chips), align=True)
    images = prepare(data, size=16)
    assert len(images) == 4 and images.unreadable == ()  # gradients, which show no face
    assert images.info.crop == CropGeometry().to_json()
    wild = kit.opened("utkface", kit.fill(tmp_path / "wild", *UTK), align=True)
    assert wild.eyes is None
    with pytest.raises(DataError, match="no face found"):
        prepare(wild, size=16)


def test_ages_can_be_chosen_and_may_leave_nothing(tmp_path: Path, kit: Any) -> None:
    root = kit.fill(tmp_path / "u", *(f"{age}_0_0_1.jpg" for age in range(5, 60, 10)))
    assert kit.opened("utkface", root, min_age=20, max_age=45).table().ages.tolist() == [25, 35, 45]
    text = kit.message("utkface", root, min_age=90)
    assert (
        text == f"{root}: no picture is left (age below 90: 6); is it the right folder or archive?"
    )
    text = kit.message("fgnet", root)
    assert "no picture is left (not named 001A05.JPG: 6)" in text


def test_the_split_without_people_is_by_picture_and_stable(tmp_path: Path, kit: Any) -> None:
    names = [f"{age}_0_0_{day}.jpg" for age in range(10, 60) for day in range(4)]
    root = kit.fill(tmp_path / "u", *names)
    sides = {s: kit.opened("utkface", root, split=s, test_share=0.3) for s in ("train", "test")}
    found = {s: [data.describe(i) for i in range(data.table().length)] for s, data in sides.items()}
    assert sorted(found["train"] + found["test"]) == sorted(names)
    assert 40 < len(found["test"]) < 80
    assert dict(sides["test"].table().removed)["not in the test split"] == len(found["train"])
    again = kit.opened("utkface", kit.packed(root), split="test", test_share=0.3)
    assert [r.key for r in again.listed] == found["test"]


def test_fgnet(tmp_path: Path, kit: Any) -> None:
    root = kit.fill(tmp_path / "images", "001A05.JPG", "001A43b.JPG", "002a69.jpg", "082A00.JPG")
    kit.fill(root, "1A05.JPG", "001A5.JPG", "001A05.pts")
    table = kit.opened("fgnet", root).table()
    assert table.ages.tolist() == [5, 43, 69, 0] and table.identities.tolist() == [0, 0, 1, 2]
    assert table.identities.dtype == np.int64
    assert dict(table.removed)["not named 001A05.JPG"] == 2


def test_cacd_with_names_of_all_kinds(tmp_path: Path, kit: Any) -> None:
    names = ("14_Ana_0001.jpg", "15_Ana_0002.jpg", "60_Jo_Van_Dé_0010.jpg", "61_李_1.jpg")
    root = kit.fill(tmp_path / "CACD", *names, "x_Ana_0001.jpg", "14__0001.jpg", "14_Ana.jpg")
    # As macOS writes it: e and its accent apart. It is the same person.
    kit.fill(root, "62_Jo_Van_De\u0301_0011.jpg")
    data = kit.opened("cacd", root)
    assert data.people == ("Ana", "Jo_Van_Dé", "李")
    assert data.table().identities.tolist() == [0, 0, 1, 2, 1]
    assert dict(data.table().removed)["not named 14_Name_0001.jpg"] == 3


def test_splits_share_nobody_and_keep_numbers(tmp_path: Path, kit: Any) -> None:
    names = [f"{20 + n}_P{p:02d}_{n:04d}.jpg" for p in range(40) for n in range(3)]
    root = kit.fill(tmp_path / "CACD", *names)
    whole = kit.opened("cacd", root)
    number = dict(zip([r.name for r in whole.listed], whole.table().identities, strict=True))
    sides = [kit.opened("cacd", root, split=s, test_share=0.3) for s in ("train", "test")]
    people = [set(side.table().identities.tolist()) for side in sides]
    assert not people[0] & people[1] and people[0] | people[1] == set(range(40))
    assert 4 < len(people[1]) < 20
    halves = [kit.opened("cacd", root, split=f"train-{h}", test_share=0.3) for h in "ab"]
    a, b = (set(half.table().identities.tolist()) for half in halves)
    assert not a & b and a | b == people[0] and min(len(a), len(b)) > 8
    for side in [*sides, *halves]:
        expected = [number[row.name] for row in side.listed]
        assert side.table().identities.tolist() == expected


def test_orl(tmp_path: Path, kit: Any) -> None:
    folder = tmp_path / "orl_faces"
    data = kit.picture("PPM", "L", (92, 112))
    kit.fill(folder, *(f"s{p}/{n}.pgm" for p in (1, 2, 10) for n in (1, 2, 10)), data=data)
    kit.fill(folder, "README", "s1/x.pgm", "3.pgm", data=data)
    orl = kit.opened("orl", kit.packed(folder))
    assert orl.people == ("s01", "s02", "s10")
    assert orl.table().length == 9 and np.bincount(orl.table().identities).tolist() == [3, 3, 3]
    assert orl.image(0).mode == "L" and orl.image(0).size == (92, 112)
    assert dict(orl.table().removed)["not named s1/1.pgm"] == 2


PAIRS = """2\t1
Ana\t1\t2
Ana\t1\tBo\t1
Bo\t1\t2
Ana\t3\tZoë\t1
"""


def lfw(root: Path, kit: Any) -> Path:
    people = {"Ana": 3, "Bo": 2, "Zoë": 1}
    names = [f"{p}/{p}_{n:04d}.jpg" for p, count in people.items() for n in range(1, count + 1)]
    return kit.fill(root / "lfw", *names)


def test_lfw_and_its_pairs(tmp_path: Path, kit: Any) -> None:
    root = lfw(tmp_path, kit)
    (root / "pairs.txt").write_text(PAIRS)
    data = kit.opened("lfw", root)
    assert data.people == ("Ana", "Bo", "Zoë") and data.table().identities.tolist() == [0] * 3 + [
        1,
        1,
        2,
    ]
    pairs = data.pairs()
    assert pairs.first.tolist() == [0, 0, 3, 2] and pairs.second.tolist() == [1, 3, 4, 5]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 1, 1] and pairs.missing == 0
    (root / "Bo" / "Bo_0002.jpg").unlink()
    pairs = kit.opened("lfw", kit.packed(root)).pairs()
    assert len(pairs.first) == 3 and pairs.missing == 1


def test_pairs_from_elsewhere_and_their_errors(tmp_path: Path, kit: Any) -> None:
    root = lfw(tmp_path, kit)
    path = tmp_path / "dev.txt"

    def refusal(text: bytes | None, **options: Any) -> str:
        if text is not None:
            path.write_bytes(text)
        data = kit.opened("lfw", root, pairs=str(path), **options)
        with pytest.raises(DataError) as caught:
            data.pairs()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    with pytest.raises(DataError, match=r"holds no pairs\.txt; say which"):
        kit.opened("lfw", root).pairs()
    assert "no such file" in refusal(None)
    assert "is it LFW's pairs.txt?" in refusal(b"")
    assert "line 1" in refusal(b"Ana\t1\t2\n")
    assert "announces 4 pairs and 1 follow" in refusal(b"2\nAna\t1\t2\n")
    assert "announces 0" in refusal(b"0\n")
    assert "line 3: not 'NAME N N'" in refusal(b"1\nAna\t1\t2\nAna\tone\tBo\t1\n")
    assert "not text in UTF-8" in refusal(b"1\n\xff\xfe\n")
    assert "not one pair" in refusal(b"1\nEve 1 2\nEve 1 Ana 1\n")
    path.write_bytes(b"1\r\nAna 1 2\r\n\r\nAna 1 Bo 1\r\n")
    pairs = kit.opened("lfw", root, pairs=str(path)).pairs()
    assert pairs.fold.tolist() == [0, 0] and pairs.same.tolist() == [True, False]


def test_folds_of_the_published_list() -> None:
    body = "".join("A\t1\t2\n" * 300 + "A\t1\tB\t2\n" * 300 for _ in range(10))
    found = read_pairs("10\t300\n" + body, "pairs.txt")
    assert len(found) == 6000 and [fold for fold, *_ in found[::600]] == list(range(10))
    assert found[300] == (0, ("A", 1), ("B", 2))


def test_a_link_that_leaves_is_counted(tmp_path: Path, kit: Any) -> None:
    root = lfw(tmp_path, kit)
    kit.fill(tmp_path, "out.jpg")
    (root / "Ana" / "Ana_0009.jpg").symlink_to(tmp_path / "out.jpg")
    data = kit.opened("lfw", root)
    assert data.table().length == 6
    assert data.table().removed == (("refused, a link that leaves the folder", 1),)


REAL = [
    ("utkface", "UTKFace.tar", 10307, 0),
    ("lfw", "lfw_part.tar", 4100, 565),
    ("orl", "orl_faces.tar", 400, 40),
]


@pytest.mark.parametrize(
    ("name", "file", "images", "people"), [r for r in REAL if (SHARED / r[1]).is_file()]
)
def test_the_real_sets(kit: Any, name: str, file: str, images: int, people: int) -> None:
    data = kit.opened(name, SHARED / file)
    table = data.table()
    assert table.length == images and len(data.people) == people
    if name == "utkface":
        counts = np.bincount(group_of(table.ages, GROUPS)).tolist()
        assert counts == [1986, 3214, 1927, 981, 1024, 1175]
    assert data.image(images - 1).size == {"utkface": (200, 200), "lfw": (250, 250)}.get(
        name, (92, 112)
    )
    sides = [kit.opened(name, SHARED / file, split=s).table() for s in ("train", "test")]
    assert sum(side.length for side in sides) == images
    if people:
        train, test = (set(side.identities.tolist()) for side in sides)
        assert test and not train & test and len(train | test) == people
