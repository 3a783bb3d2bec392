"""Your own images: folders, class folders, image formats, invalid files."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.data import pack_images
from ganzoo_core.zoo import import_target, zoo


def test_plain_folder(tmp_path: Path, kit: Any) -> None:
    root = kit.write_images(tmp_path / "photos", "b.JPG", "é/ü 1.jpeg", "a/b.JPG", "notes.txt")
    data = kit.open_dataset("folder", root, license="CC0-1.0")
    assert [data.sample_name(i) for i in range(3)] == ["a/b.JPG", "b.JPG", "é/ü 1.jpeg"]
    assert data.metadata().removed == (("not image files", 1),)
    images = pack_images(data, image_size=16)
    assert images.available_fields() == ("image",) and images.info.license == "CC0-1.0"
    assert kit.open_dataset("folder", root).license == "not stated"


def test_default_split_holds_images_out(tmp_path: Path, kit: Any) -> None:
    root = kit.write_images(tmp_path / "photos", *(f"{i:03d}.jpg" for i in range(200)))
    config = import_target(zoo().dataset("folder").config)(name="folder", path=str(root))
    assert (config.split, config.test_share) == ("train", 0.1)
    train, test = (kit.open_dataset("folder", root, split=s) for s in (config.split, "test"))
    names = [{data.sample_name(i) for i in range(data.metadata().length)} for data in (train, test)]
    assert not names[0] & names[1] and len(names[0] | names[1]) == 200
    assert 8 < len(names[1]) < 35
    assert dict(train.metadata().removed)["not in the train split"] == len(names[1])
    text = kit.error_message("folder", kit.write_images(tmp_path / "one", "a.jpg"), split="test")
    assert "not in the test split: 1" in text and "--set data.split=all" in text


def test_image_formats(tmp_path: Path, kit: Any) -> None:
    kinds = {
        "rgb.jpg": ("JPEG", "RGB"),
        "cmyk.jpg": ("JPEG", "CMYK"),
        "gray.jpg": ("JPEG", "L"),
        "palette.png": ("PNG", "P"),
        "alpha.png": ("PNG", "RGBA"),
        "bits.png": ("PNG", "1"),
        "web.webp": ("WEBP", "RGB"),
        "plain.ppm": ("PPM", "RGB"),
        "old.bmp": ("BMP", "RGB"),
    }
    for name, (form, mode) in kinds.items():
        kit.write_images(tmp_path, name, data=kit.image_bytes(form, mode))
    deep = io.BytesIO()
    Image.fromarray(np.full((9, 9), 40000, np.uint16)).save(deep, "PNG")
    kit.write_images(tmp_path, "deep.png", data=deep.getvalue())
    turned, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(turned, "JPEG", exif=exif)
    kit.write_images(tmp_path, "turned.jpg", data=turned.getvalue())
    data = kit.open_dataset("folder", tmp_path)
    images = pack_images(data, image_size=16)
    assert len(images) == 11 and images.unreadable == ()
    names = [row.path for row in data.records]
    assert data.load_image(names.index("turned.jpg")).size == (10, 20)
    assert data.load_image(names.index("deep.png")).getpixel((0, 0)) == 40000 >> 8


def test_unreadable_images(tmp_path: Path, kit: Any) -> None:
    kit.write_images(tmp_path, "a.jpg", data=b"")
    kit.write_images(tmp_path, "b.jpg", data=b"<html>sorry</html>")
    kit.write_images(tmp_path, "c.jpg", data=kit.image_bytes()[:300])
    kit.write_images(tmp_path, "d.gif", data=b"GIF89a" + bytes(30))
    kit.write_images(tmp_path, "e.jpg", data=kit.image_bytes(size=(4, 4)))
    kit.write_images(tmp_path, "f.ppm", data=b"P6 20000 20000 255\n")
    kit.write_images(tmp_path, "g.jpg", "h.jpg")
    data = kit.open_dataset("folder", tmp_path, min_size=8)
    (tmp_path / "g.jpg").unlink()
    images = pack_images(data, image_size=16)
    assert len(images) == 1
    wanted = (
        "empty file",
        "not a JPEG",
        "cannot be decoded",
        "not a JPEG",
        "smaller than 8 px: 4x4",
        "20000x20000",
        "no such file",
    )
    for index, why in enumerate(wanted):
        assert why in kit.unreadable_reason(data, index)
    assert len(images.unreadable) == len(wanted)


def test_paths_without_images(tmp_path: Path, kit: Any) -> None:
    assert "--data folder:" in kit.error_message("folder", "")
    assert str(tmp_path / "gone") in kit.error_message("folder", tmp_path / "gone")
    kit.error_message("folder", tmp_path)
    kit.write_images(tmp_path, "a.txt")
    assert "a.txt" in kit.error_message("folder", tmp_path / "a.txt")
    assert "not image files: 1" in kit.error_message("folder", tmp_path)
    kit.write_images(tmp_path / "z", "a.zip", data=b"PK\x03\x04" + bytes(99))
    assert " zip " in kit.error_message("folder", tmp_path / "z" / "a.zip")
    cut = kit.write_images(tmp_path / "cut", "a.jpg", "b.jpg")
    tar = kit.make_tar(cut)
    tar.write_bytes(tar.read_bytes()[:1800])
    assert str(tar) in kit.error_message("folder", tar)


@pytest.mark.parametrize("name", ["folder", "class-folder", "utkface", "lfw", "table"])
def test_permission_denied(tmp_path: Path, kit: Any, name: str, monkeypatch: Any) -> None:
    kit.write_images(tmp_path / "a", "1.jpg")

    def scandir(path: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    assert "permission denied" in kit.error_message(name, tmp_path)


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_class_folders(tmp_path: Path, kit: Any, kind: str) -> None:
    root = kit.write_images(
        tmp_path / "animals", "cat/1.jpg", "cat/old/2.jpg", "dog/1.jpg", "Emu/1.jpg"
    )
    kit.write_images(root, "stray.jpg", "dog/list.csv")
    data = kit.open_dataset("class-folder", root if kind == "folder" else kit.make_tar(root))
    metadata = data.metadata()
    assert metadata.class_names == ("Emu", "cat", "dog") and metadata.labels.dtype == np.int64
    assert metadata.labels.tolist() == [0, 1, 1, 2]
    assert dict(metadata.removed)["not in a class folder"] == 1
    images = pack_images(data, image_size=16)
    assert images.info.class_names == metadata.class_names and images.info.class_counts == (1, 2, 1)


def test_numeric_and_single_class_folders(tmp_path: Path, kit: Any) -> None:
    root = kit.write_images(tmp_path / "digits", *(f"{n}/a.jpg" for n in (10, 9, 0)))
    assert kit.open_dataset("class-folder", root).metadata().class_names == ("0", "9", "10")
    root = kit.write_images(tmp_path / "zoo", "cat/1.jpg", "cat/2.jpg")
    for path in (root, kit.make_tar(root)):
        assert kit.open_dataset("class-folder", path).metadata().class_names == ("cat",)
    assert "not in a class folder: 2" in kit.error_message("class-folder", root / "cat")


def test_split_contains_every_class(tmp_path: Path, kit: Any) -> None:
    root = kit.write_images(
        tmp_path / "animals", *(f"{a}/{n}.jpg" for a in "abcdef" for n in range(30))
    )
    data = [
        kit.open_dataset("class-folder", root, split=s, test_share=0.4) for s in ("train", "test")
    ]
    assert sum(d.metadata().length for d in data) == 180
    assert all(len(d.metadata().class_names) == 6 for d in data)


def test_splits_have_the_same_classes(tmp_path: Path, kit: Any) -> None:
    root = kit.write_images(tmp_path / "animals", *(f"{n:03d}/1.jpg" for n in range(30)))
    sides = [kit.open_dataset("class-folder", root, split=s).metadata() for s in ("train", "test")]
    assert sides[0].class_names == sides[1].class_names and len(sides[0].class_names) == 30
    assert not set(sides[0].labels.tolist()) & set(sides[1].labels.tolist())


def test_plugin_import_is_cheap() -> None:
    code = (
        "import sys, ganzoo_faces.plugin as p\n"
        "class Zoo(list):\n    def add(self, *specs): self += specs\n"
        "zoo = Zoo(); p.ganzoo_register(zoo); print([s.name for s in zoo])\n"
        "print(sorted({'torch', 'pydantic', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    own = ["folder", "class-folder", "paired-folder", "unpaired-folder", "table", "parquet"]
    names = ["utkface", "fgnet", "cacd", "lfw", "orl", *own]
    assert done.stdout.splitlines() == [str(names), "[]"]
