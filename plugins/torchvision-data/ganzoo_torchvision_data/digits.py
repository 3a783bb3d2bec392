"""MNIST and Fashion-MNIST: IDX files, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from ganzoo_core.data.archive import short_error_message
from ganzoo_core.errors import DataError
from ganzoo_torchvision_data.array_dataset import ArrayDataset, Labels, Pixels
from ganzoo_torchvision_data.download import RemoteFile

_MAX_BYTES = 2**30
"""Maximum size of a file; MNIST has 47 million bytes."""
_FILE_PREFIXES_BY_SPLIT = {"train": ("train",), "test": ("t10k",), "all": ("train", "t10k")}


class MNIST(ArrayDataset):
    """MNIST (LeCun, Bottou, Bengio, Haffner 1998)."""

    license = "CC-BY-SA-3.0"
    example_path = "data"
    class_names = tuple("0123456789")
    search_folders = ("", "raw", "MNIST/raw")
    download_page = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    torchvision_class: ClassVar[str] = "MNIST"
    """Name of the torchvision class."""

    def load_parts(self) -> list[tuple[Pixels, Labels]]:
        """Return the images and labels of each part."""
        return [self._load_part(name) for name in _FILE_PREFIXES_BY_SPLIT[self.config.split]]

    def _load_part(self, name: str) -> tuple[Pixels, Labels]:
        """Return [n, H, W] pixels and [n] labels."""
        images, labels = (
            self.find_or_download(
                f"{name}-{kind}-ubyte.gz", f"{name}-{kind}-ubyte", f"{name}-{old}-ubyte"
            )
            for kind, old in (("images-idx3", "images.idx3"), ("labels-idx1", "labels.idx1"))
        )
        pixels, classes = _read_idx(images, 3), _read_idx(labels, 1)
        if len(pixels) != len(classes):
            raise DataError(
                f"{images} has {len(pixels)} images and {labels.name} {len(classes)} labels; "
                "download both again"
            )
        return pixels, self.check_labels(classes.astype(np.int64), str(labels))

    def remote_files(self) -> Sequence[RemoteFile]:
        """Return the URLs of torchvision."""
        from torchvision import datasets

        torchvision_dataset = getattr(datasets, self.torchvision_class)
        return [
            RemoteFile(name, tuple(mirror + name for mirror in torchvision_dataset.mirrors), md5)
            for name, md5 in torchvision_dataset.resources
        ]


class FashionMNIST(MNIST):
    """Fashion-MNIST (Xiao, Rasul, Vollgraf 2017)."""

    license = "MIT"
    class_names = (
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
    search_folders = ("", "raw", "FashionMNIST/raw")
    download_page = "https://github.com/zalandoresearch/fashion-mnist"
    torchvision_class = "FashionMNIST"


def _read_idx(path: Path, num_dims: int) -> Pixels:
    """Return the bytes of an IDX file, gzipped or not, as an array.

    Raises:
        DataError: another format, truncated, or longer than its header says.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if zipped else raw as file:
                head = file.read(4 + 4 * num_dims)
                if head[:4] != bytes([0, 0, 8, num_dims]) or len(head) != 4 + 4 * num_dims:
                    raise DataError(f"{path} is not an IDX file of bytes in {num_dims} dimensions")
                shape = struct.unpack(f">{num_dims}I", head[4:])
                size = math.prod(shape)
                if size > _MAX_BYTES:
                    raise DataError(f"{path} has a header of {size} bytes; download it again")
                data = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: {short_error_message(error)}; download it again") from None
    if len(data) != size:
        what = "is truncated" if len(data) < size else "is longer than its header says"
        raise DataError(f"{path} {what}; download it again")
    return np.frombuffer(data, np.uint8).reshape(shape)
