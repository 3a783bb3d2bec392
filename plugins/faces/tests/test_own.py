"""Your own pictures: folders, class folders, and everything that a folder may hold."""

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

from ganzoo_core.data import prepare


def test_a_plain_folder(tmp_path: Path, kit: Any) -> None:
    root = kit.fill(tmp_path / "photos", "b.JPG", "é/ü 1.jpeg", "a/b.JPG", "notes.txt")
    data = kit.opened("folder", root, license="CC0-1.0")
    assert [data.describe(i) for i in range(3)] == ["a/b.JPG", "b.JPG", "é/ü 1.jpeg"]
    assert data.table().removed == (("files that are no pictures by their names", 1),)
    images = prepare(data, size=16)
    assert images.fields() == ("image",) and images.info.license == "CC0-1.0"
    assert kit.opened("folder", root).license == "not stated"


def test_every_kind_of_picture(tmp_path: Path, kit: Any) -> None:
    kinds = {
        "rgb.jpg": ("JPEG", "RGB"),
        "cmyk.jpg": ("JPEG", "CMYK"),
        "grey.jpg": ("JPEG", "L"),
        "palette.png": ("PNG", "P"),
        "alpha.png": ("PNG", "RGBA"),
        "bits.png": ("PNG", "1"),
        "web.webp": ("WEBP", "RGB"),
        "plain.ppm": ("PPM", "RGB"),
        "old.bmp": ("BMP", "RGB"),
    }
    for name, (form, mode) in kinds.items():
        kit.fill(tmp_path, name, data=kit.picture(form, mode))
    deep = io.BytesIO()
    Image.fromarray(np.full((9, 9), 40000, np.uint16)).save(deep, "PNG")
    kit.fill(tmp_path, "deep.png", data=deep.getvalue())
    turned, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(turned, "JPEG", exif=exif)
    kit.fill(tmp_path, "turned.jpg", data=turned.getvalue())
    data = kit.opened("folder", tmp_path)
    images = prepare(data, size=16)
    assert len(images) == 11 and images.unreadable == ()
    names = [row.name for row in data.listed]
    assert data.image(names.index("turned.jpg")).size == (10, 20)
    assert data.image(names.index("deep.png")).getpixel((0, 0)) == 40000 >> 8


def test_what_cannot_be_read_says_why(tmp_path: Path, kit: Any) -> None:
    kit.fill(tmp_path, "a.jpg", data=b"")
    kit.fill(tmp_path, "b.jpg", data=b"<html>sorry</html>")
    kit.fill(tmp_path, "c.jpg", data=kit.picture()[:300])
    kit.fill(tmp_path, "d.gif", data=b"GIF89a" + bytes(30))
    kit.fill(tmp_path, "e.jpg", data=kit.picture(size=(4, 4)))
    kit.fill(tmp_path, "f.ppm", data=b"P6 20000 20000 255\n")
    kit.fill(tmp_path, "g.jpg", "h.jpg")
    data = kit.opened("folder", tmp_path, min_size=8)
    (tmp_path / "g.jpg").unlink()
    images = prepare(data, size=16)
    assert len(images) == 1
    wanted = (
        "empty file",
        "not a JPEG",
        "cannot be decoded",
        "not a JPEG",
        "smaller than 8 px: 4x4",
        "too large, maybe a decompression bomb",
        "no such file",
    )
    for index, why in enumerate(wanted):
        assert why in kit.reason(data, index)
    assert len(images.unreadable) == len(wanted)


def test_paths_that_hold_nothing(tmp_path: Path, kit: Any) -> None:
    assert kit.message("folder", "") == "folder needs a path: --data folder:photographs"
    assert "no such file" in kit.message("folder", tmp_path / "gone")
    assert "holds no files" in kit.message("folder", tmp_path)
    kit.fill(tmp_path, "a.txt")
    assert "is not a tar" in kit.message("folder", tmp_path / "a.txt")
    text = kit.message("folder", tmp_path)
    assert "no picture is left (files that are no pictures by their names: 1)" in text
    kit.fill(tmp_path / "z", "a.zip", data=b"PK\x03\x04" + bytes(99))
    assert "is a zip archive" in kit.message("folder", tmp_path / "z" / "a.zip")
    cut = kit.fill(tmp_path / "cut", "a.jpg", "b.jpg")
    tar = kit.packed(cut)
    tar.write_bytes(tar.read_bytes()[:1800])
    assert "cut short or damaged" in kit.message("folder", tar)


@pytest.mark.parametrize("name", ["folder", "class-folder", "utkface", "lfw", "table"])
def test_a_folder_that_may_not_be_read(
    tmp_path: Path, kit: Any, name: str, monkeypatch: Any
) -> None:
    kit.fill(tmp_path / "a", "1.jpg")

    def scandir(path: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    assert "permission denied" in kit.message(name, tmp_path)


@pytest.mark.parametrize("way", ["folder", "tar"])
def test_class_folders(tmp_path: Path, kit: Any, way: str) -> None:
    root = kit.fill(tmp_path / "animals", "cat/1.jpg", "cat/old/2.jpg", "dog/1.jpg", "Emu/1.jpg")
    kit.fill(root, "stray.jpg", "dog/list.csv")
    data = kit.opened("class-folder", root if way == "folder" else kit.packed(root))
    table = data.table()
    assert table.classes == ("Emu", "cat", "dog") and table.labels.dtype == np.int64
    assert table.labels.tolist() == [0, 1, 1, 2]
    assert dict(table.removed)["in no folder of a class"] == 1
    images = prepare(data, size=16)
    assert images.info.classes == table.classes and images.info.counts == (1, 2, 1)


def test_class_folders_by_number_and_alone(tmp_path: Path, kit: Any) -> None:
    root = kit.fill(tmp_path / "digits", *(f"{n}/a.jpg" for n in (10, 9, 0)))
    assert kit.opened("class-folder", root).table().classes == ("0", "9", "10")
    root = kit.fill(tmp_path / "zoo", "cat/1.jpg", "cat/2.jpg")
    for path in (root, kit.packed(root)):
        assert kit.opened("class-folder", path).table().classes == ("cat",)
    assert "in no folder of a class: 2" in kit.message("class-folder", root / "cat")


def test_a_split_of_class_folders_divides_each(tmp_path: Path, kit: Any) -> None:
    root = kit.fill(tmp_path / "animals", *(f"{a}/{n}.jpg" for a in "abcdef" for n in range(30)))
    data = [kit.opened("class-folder", root, split=s, test_share=0.4) for s in ("train", "test")]
    assert sum(d.table().length for d in data) == 180
    assert all(len(d.table().classes) == 6 for d in data)


def test_a_split_knows_classes_of_the_other_side(tmp_path: Path, kit: Any) -> None:
    root = kit.fill(tmp_path / "animals", *(f"{n:03d}/1.jpg" for n in range(30)))
    sides = [kit.opened("class-folder", root, split=s).table() for s in ("train", "test")]
    assert sides[0].classes == sides[1].classes and len(sides[0].classes) == 30
    assert not set(sides[0].labels.tolist()) & set(sides[1].labels.tolist())


def test_the_plugin_is_cheap_to_import() -> None:
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
    names = ["utkface", "fgnet", "cacd", "lfw", "orl", "folder", "class-folder", "table"]
    assert done.stdout.splitlines() == [str(names), "[]"]
