"""SVHN, cropped digits: train_32x32.mat, test_32x32.mat, extra_32x32.mat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganzoo_core import limits
from ganzoo_core.data.matlab import MAT_ERRORS, read_variable
from ganzoo_core.errors import DataError
from ganzoo_torchvision_data.array_dataset import ArrayDataset, Labels, Pixels
from ganzoo_torchvision_data.download import RemoteFile

_FILE_PREFIXES_BY_SPLIT = {
    "train": ("train",),
    "test": ("test",),
    "extra": ("extra",),
    "all": ("train", "test"),
}


class SVHN(ArrayDataset):
    """Street View House Numbers (Netzer and others 2011)."""

    license = "non-commercial use only"
    example_path = "data/SVHN"
    class_names = tuple("0123456789")
    search_folders = ("SVHN", "svhn", "")
    download_page = "http://ufldl.stanford.edu/housenumbers/"

    def load_parts(self) -> list[tuple[Pixels, Labels]]:
        """Return the parts of the split."""
        return [
            self._load_part(self.find_or_download(f"{n}_32x32.mat"))
            for n in _FILE_PREFIXES_BY_SPLIT[self.config.split]
        ]

    def _load_part(self, path: Path) -> tuple[Pixels, Labels]:
        """Return [n, 32, 32, 3] pixels, a view, and [n] labels; label 10 of the file becomes 0."""
        try:
            data = limits.read_bytes(path, limits.DATA_FILE_BYTES)
            found = {name: read_variable(data, name) for name in ("X", "y")}
            lacking = [name for name, value in found.items() if value is None]
            if lacking:
                raise ValueError(f"it lacks {lacking[0]!r}")
        except (OSError, *MAT_ERRORS) as error:
            why = " ".join(str(error).split())[:100] or type(error).__name__
            raise DataError(f"{path} is not SVHN's .mat ({why}); download it again") from None
        pixels, labels = np.asarray(found["X"]), np.asarray(found["y"]).reshape(-1)
        right = pixels.ndim == 4 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
        if not right or labels.dtype.kind not in "iuf" or pixels.shape[3] != len(labels):
            raise DataError(
                f"{path}: X is {pixels.dtype} {pixels.shape} and y {labels.shape}, not uint8 "
                "(32, 32, 3, N) and N; is it SVHN's .mat of cropped digits?"
            )
        numbers = labels.astype(np.int64)
        return pixels.transpose(3, 0, 1, 2), self.check_labels(
            np.where(numbers == 10, 0, numbers), str(path)
        )

    def to_hwc(self, pixels: Pixels, row: int) -> Pixels:
        """Return one image, [32, 32, 3]."""
        return np.ascontiguousarray(pixels[row])

    def remote_files(self) -> Sequence[RemoteFile]:
        """Return the URLs of torchvision."""
        from torchvision import datasets

        resources = datasets.SVHN.split_list.values()
        return [RemoteFile(name, (url,), md5) for url, name, md5 in resources]
