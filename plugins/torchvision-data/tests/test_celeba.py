"""CelebA: the folder, its three lists, and what may be wrong with them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.data import prepare

NAMES = tuple(f"{n:06d}.jpg" for n in range(1, 7))
SMILING = (1, -1, 1, -1, 1, 1)
ATTR = "6\nMale Smiling Young\n" + "".join(
    f"{name} -1  {s} 1\n" for name, s in zip(NAMES, SMILING, strict=True)
)
IDENTITY = "".join(f"{n} {p}\n" for n, p in zip(NAMES, (2880, 7, 7, 2880, 9, 9), strict=True))
PARTS = "".join(f"{n} {p}\n" for n, p in zip(NAMES, (0, 1, 1, 0, 2, 2), strict=True))


def write(root: Path, lists: str = "", pictures: str = "img_align_celeba") -> Path:
    out = io.BytesIO()
    Image.new("RGB", (178, 218), "teal").save(out, "JPEG")
    for name in NAMES:
        (root / pictures).mkdir(parents=True, exist_ok=True)
        (root / pictures / name).write_bytes(out.getvalue())
    (root / lists).mkdir(parents=True, exist_ok=True)
    texts = {"list_attr_celeba": ATTR, "identity_CelebA": IDENTITY, "list_eval_partition": PARTS}
    for name, text in texts.items():
        (root / lists / f"{name}.txt").write_text(text)
    return root


@pytest.mark.parametrize(
    ("lists", "pictures"),
    [
        ("", "img_align_celeba"),
        ("Anno", "img_align_celeba"),
        ("celeba", "celeba/img_align_celeba"),
        ("", "img_align_celeba/img_align_celeba"),
    ],
)
def test_where_the_files_may_lie(tmp_path: Path, kit: Any, lists: str, pictures: str) -> None:
    data = kit.opened("celeba", write(tmp_path, lists, pictures))
    table = data.table()
    assert table.labels.tolist() == [1, 0, 1, 0, 1, 1]
    assert table.classes == ("not Smiling", "Smiling")
    assert table.identities.tolist() == [2880, 7, 7, 2880, 9, 9]
    assert table.identities.dtype == table.labels.dtype == np.int64
    assert not any(count for _, count in table.removed)
    assert data.image(0).size == (178, 218) and data.describe(5) == "000006.jpg"
    images = prepare(data, size=32)
    assert images.info.license == "non-commercial research only" and images.info.identities == 3


def test_the_folder_of_pictures_itself(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    assert kit.opened("celeba", root / "img_align_celeba").table().identities is not None


def test_splits_and_attributes(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    sides = {s: kit.opened("celeba", root, split=s).table() for s in ("train", "valid", "test")}
    assert [t.identities.tolist() for t in sides.values()] == [[2880] * 2, [7, 7], [9, 9]]
    assert dict(sides["test"].removed)["not in the test split"] == 4
    assert kit.opened("celeba", root, attribute="Young").table().classes == ("not Young", "Young")
    assert kit.opened("celeba", root, attribute="").table().labels is None
    text = kit.message("celeba", root, attribute="Smilling")
    assert "has no attribute 'Smilling'. Did you mean \"Smiling\"?" in text


def test_lists_may_be_absent(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    for path in root.glob("*.txt"):
        path.unlink()
    table = kit.opened("celeba", root).table()
    assert table.length == 6 and table.labels is None and table.identities is None
    text = kit.message("celeba", root, split="test")
    assert f"data.split=test needs list_eval_partition.txt in {root}" in text


def test_what_lists_and_folder_disagree_on_is_counted(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    (root / "img_align_celeba" / "000002.jpg").unlink()
    (root / "img_align_celeba" / "000009.jpg").write_bytes(b"")
    (root / "img_align_celeba" / "Thumbs.db").write_bytes(b"")
    (root / "identity_CelebA.txt").write_text(IDENTITY.partition("\n")[2])
    table = kit.opened("celeba", root).table()
    assert table.length == 4 and dict(table.removed) == {
        "files that are no pictures by their names": 1,
        "file missing": 2,
        "not in identity_CelebA.txt": 2,
        "not in list_attr_celeba.txt": 0,
    }


def test_wrong_lines_are_named(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    lists = {name: root / f"{name}.txt" for name in ("identity_CelebA", "list_attr_celeba")}
    lists["identity_CelebA"].write_text(IDENTITY + "000009.jpg x\n")
    assert "identity_CelebA.txt, line 7: not '000001.jpg N'" in kit.message("celeba", root)
    lists["identity_CelebA"].write_bytes(b"\xff\xfe")
    assert "fetch it again" in kit.message("celeba", root)
    lists["identity_CelebA"].unlink()
    lists["list_attr_celeba"].write_text(ATTR + "000009.jpg 1 1\n")
    assert "list_attr_celeba.txt, line 9: not a picture and 3 times" in kit.message("celeba", root)


def test_folders_that_hold_nothing(tmp_path: Path, kit: Any) -> None:
    assert kit.message("celeba", "") == "celeba needs a path: --data celeba:data/celeba"
    text = kit.message("celeba", tmp_path)
    assert "holds no folder img_align_celeba; fetch img_align_celeba.zip" in text
    (tmp_path / "img_align_celeba").mkdir()
    assert "holds no files" in kit.message("celeba", tmp_path)
    (tmp_path / "img_align_celeba" / "a.txt").write_text("")
    assert "no picture is left" in kit.message("celeba", tmp_path)
