"""CIFAR-10 from its binary version: the Python version is a pickle, which can run code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganzoo_core.data.archive import open_files
from ganzoo_core.errors import DataError
from ganzoo_torchvision_data.arrays import Arrays, Labels, Pixels
from ganzoo_torchvision_data.download import Remote

ARCHIVE = "cifar-10-binary.tar.gz"
RECORD = 1 + 3 * 32 * 32
"""Bytes of a picture: its label, then all red, all green, all blue."""
TRAIN = tuple(f"data_batch_{n}.bin" for n in range(1, 6))
PARTS = {"train": TRAIN, "test": ("test_batch.bin",), "all": (*TRAIN, "test_batch.bin")}


class CIFAR10(Arrays):
    """CIFAR-10 (Krizhevsky 2009), from `cifar-10-batches-bin` or `cifar-10-binary.tar.gz`."""

    license = "not stated by its authors; cite the report"
    example = "data"
    classes = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    folders = ("cifar-10-batches-bin", "")
    page = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"

    def parts(self) -> list[tuple[Pixels, Labels]]:
        """Read the batches of the split."""
        names = PARTS[self.config.split]
        if not self.root.is_file() and all(self.find([name]) for name in names):
            paths = [self.file(name) for name in names]
            return [self.batch(path.read_bytes(), str(path)) for path in paths]
        return self.archived(self.root if self.root.is_file() else self.file(ARCHIVE), names)

    def archived(self, archive: Path, names: Sequence[str]) -> list[tuple[Pixels, Labels]]:
        """Read the batches from the archive."""
        if archive == self.root:
            self.used.append(archive)
        found = []
        with open_files(archive) as files:
            for name in names:
                inside = next((n for n in files.names if n.rpartition("/")[2] == name), None)
                if inside is None:
                    pickled = any("cifar-10-batches-py" in n for n in files.names)
                    why = PICKLED if pickled else ""
                    raise DataError(f"{archive} holds no {name}{why}; fetch {self.page}")
                found.append(self.batch(files.read(inside), f"{archive}: {inside}"))
        return found

    def batch(self, data: bytes, where: str) -> tuple[Pixels, Labels]:
        """Read [n, 3, 32, 32] pixels and [n] labels."""
        if not data or len(data) % RECORD:
            raise DataError(f"{where} is no whole number of {RECORD} bytes; download it again")
        rows = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
        pixels = rows[:, 1:].reshape(-1, 3, 32, 32)
        return pixels, self.checked(rows[:, 0].astype(np.int64), where)

    def picture(self, pixels: Pixels, row: int) -> Pixels:
        """Return one picture, [32, 32, 3]."""
        return np.ascontiguousarray(pixels[row].transpose(1, 2, 0))

    def hint(self) -> str:
        """Say why the usual download is not read."""
        pickled = ("cifar-10-batches-py", "cifar-10-python.tar.gz", "data_batch_1")
        return PICKLED if any((self.root / name).exists() for name in pickled) else ""

    def remote(self) -> Sequence[Remote]:
        """Return the address of the binary version."""
        return [Remote(ARCHIVE, (self.page,), "c32a1d4ab5d03f1284b67883e8d87530")]


PICKLED = " (the Python version is a pickle, which can run code, and is never opened)"
