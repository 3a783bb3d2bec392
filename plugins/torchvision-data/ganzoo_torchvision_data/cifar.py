"""CIFAR-10 from its binary version; the Python version is a pickle, which can execute code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganzoo_core import limits
from ganzoo_core.data.archive import open_files
from ganzoo_core.errors import DataError
from ganzoo_torchvision_data.array_dataset import ArrayDataset, Labels, Pixels
from ganzoo_torchvision_data.download import RemoteFile

ARCHIVE = "cifar-10-binary.tar.gz"
_RECORD_BYTES = 1 + 3 * 32 * 32
"""Label byte, then the red, green and blue planes."""
_TRAIN_FILES = tuple(f"data_batch_{n}.bin" for n in range(1, 6))
_FILES_BY_SPLIT = {
    "train": _TRAIN_FILES,
    "test": ("test_batch.bin",),
    "all": (*_TRAIN_FILES, "test_batch.bin"),
}
_PICKLE_HINT = " (the Python version is a pickle, which can execute code, and is not read)"


class CIFAR10(ArrayDataset):
    """CIFAR-10 (Krizhevsky 2009), from `cifar-10-batches-bin` or `cifar-10-binary.tar.gz`."""

    license = "not stated by its authors; cite the report"
    example_path = "data"
    class_names = (
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
    search_folders = ("cifar-10-batches-bin", "")
    download_page = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"

    def load_parts(self) -> list[tuple[Pixels, Labels]]:
        """Return the batches of the split."""
        names = _FILES_BY_SPLIT[self.config.split]
        if not self.root.is_file() and all(self.find_file([name]) for name in names):
            paths = [self.find_or_download(name) for name in names]
            return [
                self._parse_batch(limits.read_bytes(path, limits.DATA_FILE_BYTES), str(path))
                for path in paths
            ]
        return self._read_archive(
            self.root if self.root.is_file() else self.find_or_download(ARCHIVE), names
        )

    def _read_archive(self, archive: Path, names: Sequence[str]) -> list[tuple[Pixels, Labels]]:
        if archive == self.root:
            self.source_files.append(archive)
        found = []
        with open_files(archive) as files:
            for name in names:
                inside = next((n for n in files.names if n.rpartition("/")[2] == name), None)
                if inside is None:
                    pickled = any("cifar-10-batches-py" in n for n in files.names)
                    why = _PICKLE_HINT if pickled else ""
                    raise DataError(
                        f"{archive} contains no {name}{why}; download {self.download_page}"
                    )
                found.append(self._parse_batch(files.read(inside), f"{archive}: {inside}"))
        return found

    def _parse_batch(self, data: bytes, path: str) -> tuple[Pixels, Labels]:
        """Return [n, 3, 32, 32] pixels and [n] labels."""
        if not data or len(data) % _RECORD_BYTES:
            raise DataError(f"{path}: size is not a multiple of {_RECORD_BYTES}; download it again")
        rows = np.frombuffer(data, np.uint8).reshape(-1, _RECORD_BYTES)
        pixels = rows[:, 1:].reshape(-1, 3, 32, 32)
        return pixels, self.check_labels(rows[:, 0].astype(np.int64), path)

    def to_hwc(self, pixels: Pixels, row: int) -> Pixels:
        """Return one image, [32, 32, 3]."""
        return np.ascontiguousarray(pixels[row].transpose(1, 2, 0))

    def missing_file_hint(self) -> str:
        """Return why the Python version is not read, if it is there."""
        pickled = ("cifar-10-batches-py", "cifar-10-python.tar.gz", "data_batch_1")
        return _PICKLE_HINT if any((self.root / name).exists() for name in pickled) else ""

    def remote_files(self) -> Sequence[RemoteFile]:
        """Return the URL of the binary version."""
        return [RemoteFile(ARCHIVE, (self.download_page,), "c32a1d4ab5d03f1284b67883e8d87530")]
