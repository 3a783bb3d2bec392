"""CelebA: the folder, its three lists, and invalid lists."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.data import pack_images

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
def test_folder_layouts(tmp_path: Path, kit: Any, lists: str, pictures: str) -> None:
    data = kit.open_dataset("celeba", write(tmp_path, lists, pictures))
    metadata = data.metadata()
    assert metadata.labels.tolist() == [1, 0, 1, 0, 1, 1]
    assert metadata.class_names == ("not Smiling", "Smiling")
    assert metadata.identities.tolist() == [2880, 7, 7, 2880, 9, 9]
    assert metadata.identities.dtype == metadata.labels.dtype == np.int64
    assert not any(count for _, count in metadata.removed)
    assert data.load_image(0).size == (178, 218) and data.sample_name(5) == "000006.jpg"
    images = pack_images(data, image_size=32)
    assert images.info.license == "non-commercial research only" and images.info.num_identities == 3


def test_path_of_image_folder(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    assert kit.open_dataset("celeba", root / "img_align_celeba").metadata().identities is not None


def test_splits_and_attributes(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    sides = {
        s: kit.open_dataset("celeba", root, split=s).metadata() for s in ("train", "valid", "test")
    }
    assert [t.identities.tolist() for t in sides.values()] == [[2880] * 2, [7, 7], [9, 9]]
    assert dict(sides["test"].removed)["not in the test split"] == 4
    assert kit.open_dataset("celeba", root, attribute="Young").metadata().class_names == (
        "not Young",
        "Young",
    )
    assert kit.open_dataset("celeba", root, attribute="").metadata().labels is None
    text = kit.error_message("celeba", root, attribute="Smilling")
    assert 'Did you mean "Smiling"?' in text


def test_missing_lists(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    for path in root.glob("*.txt"):
        path.unlink()
    metadata = kit.open_dataset("celeba", root).metadata()
    assert metadata.length == 6 and metadata.labels is None and metadata.identities is None
    text = kit.error_message("celeba", root, split="test")
    assert "data.split=test" in text and "list_eval_partition.txt" in text


def test_removed_counts(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    (root / "img_align_celeba" / "000002.jpg").unlink()
    (root / "img_align_celeba" / "000009.jpg").write_bytes(b"")
    (root / "img_align_celeba" / "Thumbs.db").write_bytes(b"")
    (root / "identity_CelebA.txt").write_text(IDENTITY.partition("\n")[2])
    metadata = kit.open_dataset("celeba", root).metadata()
    assert metadata.length == 4 and dict(metadata.removed) == {
        "not image files": 1,
        "file missing": 2,
        "not in identity_CelebA.txt": 2,
        "not in list_attr_celeba.txt": 0,
    }


def test_invalid_lines(tmp_path: Path, kit: Any) -> None:
    root = write(tmp_path)
    lists = {name: root / f"{name}.txt" for name in ("identity_CelebA", "list_attr_celeba")}
    lists["identity_CelebA"].write_text(IDENTITY + "000009.jpg x\n")
    assert "identity_CelebA.txt, line 7" in kit.error_message("celeba", root)
    lists["identity_CelebA"].write_bytes(b"\xff\xfe")
    assert "identity_CelebA.txt" in kit.error_message("celeba", root)
    lists["identity_CelebA"].unlink()
    lists["list_attr_celeba"].write_text(ATTR + "000009.jpg 1 1\n")
    assert "list_attr_celeba.txt, line 9" in kit.error_message("celeba", root)


def test_folders_without_images(tmp_path: Path, kit: Any) -> None:
    assert "--data celeba:" in kit.error_message("celeba", "")
    text = kit.error_message("celeba", tmp_path)
    assert "img_align_celeba.zip" in text
    (tmp_path / "img_align_celeba").mkdir()
    kit.error_message("celeba", tmp_path)
    (tmp_path / "img_align_celeba" / "a.txt").write_text("")
    assert "not image files: 1" in kit.error_message("celeba", tmp_path)
