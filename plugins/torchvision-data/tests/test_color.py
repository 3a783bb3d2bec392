"""CIFAR-10 without pickles, and SVHN."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from ganzoo_core.data import pack_images

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


def batch(start: int) -> bytes:
    """Return five records with labels from `start` on."""
    rows = [
        bytes([(start + n) % 10]) + pixels.transpose(2, 0, 1).tobytes()
        for n, pixels in enumerate(PIXELS)
    ]
    return b"".join(rows)


def cifar(root: Path) -> Path:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for n in range(1, 6):
        (folder / f"data_batch_{n}.bin").write_bytes(batch(n))
    (folder / "test_batch.bin").write_bytes(batch(0))
    return folder


def zipped(folder: Path, mode: str = "w:gz") -> Path:
    path = folder.parent / "cifar-10-binary.tar.gz"
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        out.add(folder, arcname=folder.name)
    return path


@pytest.mark.parametrize("kind", ["root", "folder", "archive", "root with archive"])
def test_cifar10(tmp_path: Path, kit: Any, kind: str) -> None:
    folder = cifar(tmp_path)
    archive = zipped(folder)
    if "archive" in kind:
        for path in folder.iterdir():
            path.unlink()
    path = {"folder": folder, "archive": archive}.get(kind, tmp_path)
    data = kit.open_dataset("cifar10", path)
    assert data.labels[:6].tolist() == [1, 2, 3, 4, 5, 2] and data.metadata().length == 25
    for index in (0, 7, 24):
        np.testing.assert_array_equal(data.load_image(index), PIXELS[index % 5])
    assert data.metadata().class_names[3] == "cat" and len(data.fingerprint()) == 64
    assert kit.open_dataset("cifar10", path, split="test").labels.tolist() == [0, 1, 2, 3, 4]
    assert kit.open_dataset("cifar10", path, split="all").metadata().length == 30
    assert pack_images(data, image_size=32).info.class_counts[5] == 5


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (self.path, "w"))


def test_pickles_are_not_opened(tmp_path: Path, kit: Any) -> None:
    trap, folder = tmp_path / "trap", tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(pickle.dumps(Trap(str(trap))))
    texts = [kit.error_message("cifar10", path) for path in (tmp_path, folder, zipped(folder))]
    for text in texts:
        assert "pickle" in text
        assert "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" in text
    assert not trap.exists()


def test_damaged_cifar10(tmp_path: Path, kit: Any) -> None:
    folder = cifar(tmp_path)
    path = folder / "data_batch_3.bin"
    path.write_bytes(batch(0)[:-1])
    assert "3073" in kit.error_message("cifar10", tmp_path)
    path.write_bytes(b"")
    assert "data_batch_3.bin" in kit.error_message("cifar10", tmp_path)
    path.write_bytes(b"\x0b" + batch(0)[1:])
    assert "1 to 11" in kit.error_message("cifar10", tmp_path)
    path.unlink()
    assert "cifar-10-binary.tar.gz" in kit.error_message("cifar10", tmp_path)
    archive = zipped(folder)
    assert "data_batch_3.bin" in kit.error_message("cifar10", archive)
    archive.write_bytes(archive.read_bytes()[:200])
    assert str(archive) in kit.error_message("cifar10", archive)


def svhn(path: Path, **changed: Any) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    values = {
        "X": PIXELS.transpose(1, 2, 3, 0),
        "y": np.array([[1], [9], [10], [2], [10]], np.uint8),
    }
    savemat(path, {**values, **changed})
    return path


@pytest.mark.parametrize("below", ["", "SVHN", "svhn"])
def test_svhn(tmp_path: Path, kit: Any, below: str) -> None:
    for name in ("train", "test", "extra"):
        svhn(tmp_path / below / f"{name}_32x32.mat")
    data = kit.open_dataset("svhn", tmp_path)
    assert data.labels.tolist() == [1, 9, 0, 2, 0] and data.metadata().class_names == tuple(
        "0123456789"
    )
    for index in range(5):
        np.testing.assert_array_equal(data.load_image(index), PIXELS[index])
    assert kit.open_dataset("svhn", tmp_path, split="all").metadata().length == 10
    assert kit.open_dataset("svhn", tmp_path, split="extra").metadata().length == 5


def test_damaged_svhn(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "train_32x32.mat"
    assert "train_32x32.mat" in kit.error_message("svhn", tmp_path)
    svhn(path, X=PIXELS)
    assert "X is uint8 (5, 32, 32, 3)" in kit.error_message("svhn", tmp_path)
    svhn(path, y=np.zeros(4))
    assert "and y (4,)" in kit.error_message("svhn", tmp_path)
    svhn(path, y=np.full(5, 11.0))
    assert "11 to 11" in kit.error_message("svhn", tmp_path)
    savemat(path, {"X": 3})
    assert "lacks 'y'" in kit.error_message("svhn", tmp_path)
    for data in (b"", b"hello" * 99, b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n"):
        path.write_bytes(data)
        assert str(path) in kit.error_message("svhn", tmp_path)
