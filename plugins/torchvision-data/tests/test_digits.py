"""MNIST and Fashion-MNIST: folder layouts and invalid files."""

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

from ganzoo_core.data import pack_images
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
    """Write the four files; arguments such as `train_images` replace one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        data = changed.get("_".join(name.split("-")[:2]), data)  # noqa: PLW2901
        path = folder / (name + (".gz" if zipped else ""))
        path.write_bytes(gzip.compress(data) if zipped else data)
    return folder


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("below", ["", "raw", "FashionMNIST/raw"])
def test_folder_layouts(tmp_path: Path, kit: Any, below: str, zipped: bool) -> None:
    write(tmp_path / below, zipped)
    before = sorted(tmp_path.rglob("*"))
    data = kit.open_dataset("fashion-mnist", tmp_path)
    metadata = data.metadata()
    assert metadata.length == 20 and metadata.labels.tolist() == LABELS.tolist()
    assert metadata.labels.dtype == np.int64 and metadata.class_names[0] == "T-shirt/top"
    for index in (0, 7, 19):
        np.testing.assert_array_equal(data.load_image(index), PIXELS[index])
    assert kit.open_dataset("fashion-mnist", tmp_path, split="test").metadata().length == 3
    assert sorted(tmp_path.rglob("*")) == before
    assert (
        pack_images(
            kit.open_dataset("fashion-mnist", tmp_path), image_size=28, num_channels=1
        ).info.license
        == "MIT"
    )


def test_split_all_and_old_file_names(tmp_path: Path, kit: Any) -> None:
    write(tmp_path, zipped=False)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    data = kit.open_dataset("mnist", tmp_path, split="all")
    assert data.metadata().length == 23 and data.metadata().class_names == tuple("0123456789")
    np.testing.assert_array_equal(data.load_image(19), PIXELS[19])
    np.testing.assert_array_equal(data.load_image(21), PIXELS[1])


def test_mnist_and_fashion_mnist_differ(tmp_path: Path, kit: Any) -> None:
    write(tmp_path / "FashionMNIST" / "raw")
    assert "train-images-idx3-ubyte.gz" in kit.error_message("mnist", tmp_path)
    write(tmp_path / "MNIST" / "raw", train_labels=idx(LABELS[::-1]))
    assert kit.open_dataset("mnist", tmp_path).labels[0] == 9
    assert kit.open_dataset("fashion-mnist", tmp_path).labels[0] == 0


def test_damaged_files(tmp_path: Path, kit: Any) -> None:
    def text(**changed: bytes) -> str:
        return str(kit.error_message("mnist", write(tmp_path, zipped=False, **changed)))

    whole = FILES["train-images-idx3-ubyte"]
    for data in (b"", b"<html>not here</html>", FILES["train-labels-idx1-ubyte"]):
        assert "not an IDX file" in text(train_images=data)
    assert "truncated" in text(train_images=whole[:-1])
    assert "longer" in text(train_images=whole + b"x")
    huge = b"\0\0\x08\x03" + b"\xff" * 12
    for data in (huge, huge + whole):
        assert str((2**32 - 1) ** 3) in text(train_images=data)
    assert "20 images" in text(train_labels=idx(LABELS[:19]))
    assert "0 to 10" in text(train_labels=idx(LABELS + (LABELS == 9)))


def test_damaged_gzips(tmp_path: Path, kit: Any) -> None:
    write(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    assert str(path) in kit.error_message("mnist", tmp_path)
    rng, read = random.Random(0), 0
    for _ in range(200):
        data = bytearray(good)
        data[rng.randrange(rng.choice([20, len(data)]))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            kit.open_dataset("mnist", tmp_path)
            read += 1
        except DataError as error:
            assert "\n" not in str(error)
    assert read < 200


def test_paths_without_files(tmp_path: Path, kit: Any, monkeypatch: Any) -> None:
    assert "--data mnist:" in kit.error_message("mnist", "")
    text = kit.error_message("mnist", tmp_path / "gone")
    assert f"{tmp_path}/gone/MNIST/raw" in text and "--set data.download=true" in text
    (tmp_path / "a.tar").write_bytes(b"")
    assert "train-images" in kit.error_message("mnist", tmp_path / "a.tar")
    write(tmp_path)
    real = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.suffix == ".gz":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert "permission denied" in kit.error_message("mnist", tmp_path)


REAL = [("train", 60000), ("test", 10000)] if (SHARED / "FashionMNIST").is_dir() else []


@pytest.mark.parametrize(("split", "count"), REAL)
def test_real_fashion_mnist(kit: Any, split: str, count: int) -> None:
    data = kit.open_dataset("fashion-mnist", SHARED, split=split)
    assert data.metadata().length == count
    assert np.bincount(data.labels).tolist() == [count // 10] * 10
    if split == "train":
        assert data.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
        assert int(data.load_image(0).sum()) == 76247 and data.load_image(0).shape == (28, 28)


def test_plugin_import_is_cheap() -> None:
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
