"""MNIST and Fashion-MNIST: IDX files, zipped or not, read as they are."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from ganzoo_core.data.archive import plain
from ganzoo_core.errors import DataError
from ganzoo_torchvision_data.arrays import Arrays, Labels, Pixels
from ganzoo_torchvision_data.download import Remote

LARGEST = 2**30
"""Bytes; MNIST has 47 million."""
PARTS = {"train": ("train",), "test": ("t10k",), "all": ("train", "t10k")}


class MNIST(Arrays):
    """MNIST (LeCun, Bottou, Bengio, Haffner 1998)."""

    license = "CC-BY-SA-3.0"
    example = "data"
    classes = tuple("0123456789")
    folders = ("", "raw", "MNIST/raw")
    page = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    official: ClassVar[str] = "MNIST"
    """Its class in torchvision."""

    def parts(self) -> list[tuple[Pixels, Labels]]:
        """Read images and labels of each part."""
        return [self.part(name) for name in PARTS[self.config.split]]

    def part(self, name: str) -> tuple[Pixels, Labels]:
        """Read [n, H, W] pixels and [n] labels."""
        images, labels = (
            self.file(f"{name}-{kind}-ubyte.gz", f"{name}-{kind}-ubyte", f"{name}-{old}-ubyte")
            for kind, old in (("images-idx3", "images.idx3"), ("labels-idx1", "labels.idx1"))
        )
        pixels, classes = read_idx(images, 3), read_idx(labels, 1)
        if len(pixels) != len(classes):
            raise DataError(
                f"{images} holds {len(pixels)} pictures and {labels.name} {len(classes)} labels; "
                "download both again"
            )
        return pixels, self.checked(classes.astype(np.int64), str(labels))

    def remote(self) -> Sequence[Remote]:
        """Return torchvision's addresses."""
        from torchvision import datasets

        known = getattr(datasets, self.official)
        return [
            Remote(name, tuple(mirror + name for mirror in known.mirrors), md5)
            for name, md5 in known.resources
        ]


class FashionMNIST(MNIST):
    """Fashion-MNIST (Xiao, Rasul, Vollgraf 2017)."""

    license = "MIT"
    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    folders = ("", "raw", "FashionMNIST/raw")
    page = "https://github.com/zalandoresearch/fashion-mnist"
    official = "FashionMNIST"


def read_idx(path: Path, dims: int) -> Pixels:
    """Read an IDX file of bytes with so many dimensions; a gzip is unzipped in memory.

    Raises:
        DataError: not such a file, cut short, or longer than it says.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if zipped else raw as file:
                head = file.read(4 + 4 * dims)
                if head[:4] != bytes([0, 0, 8, dims]) or len(head) != 4 + 4 * dims:
                    raise DataError(f"{path} is not an IDX file of bytes in {dims} dimensions")
                shape = struct.unpack(f">{dims}I", head[4:])
                size = math.prod(shape)
                if size > LARGEST:
                    raise DataError(f"{path} announces {size} bytes; download it again")
                data = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: {plain(error)}; download it again") from None
    if len(data) != size:
        what = "is cut short" if len(data) < size else "is longer than it says"
        raise DataError(f"{path} {what}; download it again")
    return np.frombuffer(data, np.uint8).reshape(shape)
