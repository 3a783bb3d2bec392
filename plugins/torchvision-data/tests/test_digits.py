"""MNIST and Fashion-MNIST: where the files may lie, and what may be wrong with them."""

from __future__ import annotations

import gzip
import os
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganzoo_core.data import prepare
from ganzoo_core.errors import DataError

SHARED = Path(os.environ.get("GANZOO_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 10


def idx(array: Any) -> bytes:
    """Return an array of bytes as an IDX file."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


FILES = {
    "train-images-idx3-ubyte": idx(PIXELS),
    "train-labels-idx1-ubyte": idx(LABELS),
    "t10k-images-idx3-ubyte": idx(PIXELS[:3]),
    "t10k-labels-idx1-ubyte": idx(LABELS[:3]),
}


def write(folder: Path, zipped: bool = True, **changed: bytes) -> Path:
    """Write the four files; `train_images=...` and so on replaces one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        data = changed.get("_".join(name.split("-")[:2]), data)  # noqa: PLW2901
        path = folder / (name + (".gz" if zipped else ""))
        path.write_bytes(gzip.compress(data) if zipped else data)
    return folder


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("below", ["", "raw", "FashionMNIST/raw"])
def test_where_the_files_may_lie(tmp_path: Path, kit: Any, below: str, zipped: bool) -> None:
    write(tmp_path / below, zipped)
    before = sorted(tmp_path.rglob("*"))
    data = kit.opened("fashion-mnist", tmp_path)
    table = data.table()
    assert table.length == 20 and table.labels.tolist() == LABELS.tolist()
    assert table.labels.dtype == np.int64 and table.classes[0] == "T-shirt/top"
    for index in (0, 7, 19):
        np.testing.assert_array_equal(data.image(index), PIXELS[index])
    assert kit.opened("fashion-mnist", tmp_path, split="test").table().length == 3
    assert sorted(tmp_path.rglob("*")) == before
    assert prepare(kit.opened("fashion-mnist", tmp_path), size=28, channels=1).info.license == "MIT"


def test_all_and_the_older_names(tmp_path: Path, kit: Any) -> None:
    write(tmp_path, zipped=False)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    data = kit.opened("mnist", tmp_path, split="all")
    assert data.table().length == 23 and data.table().classes == tuple("0123456789")
    np.testing.assert_array_equal(data.image(19), PIXELS[19])
    np.testing.assert_array_equal(data.image(21), PIXELS[1])


def test_the_two_sets_are_not_taken_for_each_other(tmp_path: Path, kit: Any) -> None:
    write(tmp_path / "FashionMNIST" / "raw")
    assert "holds no train-images-idx3-ubyte.gz" in kit.message("mnist", tmp_path)
    write(tmp_path / "MNIST" / "raw", train_labels=idx(LABELS[::-1]))
    assert kit.opened("mnist", tmp_path).labels[0] == 9
    assert kit.opened("fashion-mnist", tmp_path).labels[0] == 0


def test_damaged_files(tmp_path: Path, kit: Any) -> None:
    def text(**changed: bytes) -> str:
        return str(kit.message("mnist", write(tmp_path, zipped=False, **changed)))

    whole = FILES["train-images-idx3-ubyte"]
    assert "is not an IDX file" in text(train_images=b"")
    assert "is not an IDX file" in text(train_images=b"<html>not here</html>")
    assert "is not an IDX file" in text(train_images=FILES["train-labels-idx1-ubyte"])
    assert "is cut short; download it again" in text(train_images=whole[:-1])
    assert "is longer than it says" in text(train_images=whole + b"x")
    huge = b"\0\0\x08\x03" + b"\xff" * 12
    assert "announces" in text(train_images=huge) and "announces" in text(train_images=huge + whole)
    assert "holds 20 pictures and train-labels-idx1-ubyte 19 labels" in text(
        train_labels=idx(LABELS[:19])
    )
    assert "labels run from 0 to 10, not 0 to 9" in text(train_labels=idx(LABELS + (LABELS == 9)))


def test_damaged_gzips(tmp_path: Path, kit: Any) -> None:
    write(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    assert "download it again" in kit.message("mnist", tmp_path)
    rng, read = random.Random(0), 0
    for _ in range(200):
        data = bytearray(good)
        data[rng.randrange(rng.choice([20, len(data)]))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            kit.opened("mnist", tmp_path)
            read += 1
        except DataError as error:
            assert "\n" not in str(error)
    assert read < 200


def test_paths_that_hold_nothing(tmp_path: Path, kit: Any, monkeypatch: Any) -> None:
    assert kit.message("mnist", "") == "mnist needs a path: --data mnist:data"
    text = kit.message("mnist", tmp_path / "gone")
    assert f"into {tmp_path}/gone/MNIST/raw, or --set data.download=true" in text
    (tmp_path / "a.tar").write_bytes(b"")
    assert "holds no train-images" in kit.message("mnist", tmp_path / "a.tar")
    write(tmp_path)
    real = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.suffix == ".gz":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert "permission denied" in kit.message("mnist", tmp_path)


REAL = [("train", 60000), ("test", 10000)] if (SHARED / "FashionMNIST").is_dir() else []


@pytest.mark.parametrize(("split", "count"), REAL)
def test_the_real_fashion_mnist(kit: Any, split: str, count: int) -> None:
    data = kit.opened("fashion-mnist", SHARED, split=split)
    assert data.table().length == count
    assert np.bincount(data.labels).tolist() == [count // 10] * 10
    if split == "train":
        assert data.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
        assert int(data.image(0).sum()) == 76247 and data.image(0).shape == (28, 28)


def test_the_plugin_is_cheap_to_import() -> None:
    code = (
        "import sys, ganzoo_torchvision_data.plugin as p\n"
        "class Zoo(list):\n    def add(self, *specs): self += specs\n"
        "zoo = Zoo(); p.ganzoo_register(zoo); print([s.name for s in zoo])\n"
        "print(sorted({'torch', 'pydantic', 'numpy', 'PIL', 'torchvision'} & set(sys.modules)))"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    names = ["mnist", "fashion-mnist", "cifar10", "celeba", "svhn"]
    assert done.stdout.splitlines() == [str(names), "[]"]
