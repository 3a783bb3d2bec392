"""SVHN, cropped digits: train_32x32.mat and its siblings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganzoo_core.data.matlab import DAMAGE, variable
from ganzoo_core.errors import DataError
from ganzoo_torchvision_data.arrays import Arrays, Labels, Pixels
from ganzoo_torchvision_data.download import Remote

PARTS = {"train": ("train",), "test": ("test",), "extra": ("extra",), "all": ("train", "test")}


class SVHN(Arrays):
    """Street View House Numbers (Netzer and others 2011)."""

    license = "non-commercial use only"
    example = "data/SVHN"
    classes = tuple("0123456789")
    folders = ("SVHN", "svhn", "")
    page = "http://ufldl.stanford.edu/housenumbers/"

    def parts(self) -> list[tuple[Pixels, Labels]]:
        """Read the files of the split."""
        return [self.part(self.file(f"{n}_32x32.mat")) for n in PARTS[self.config.split]]

    def part(self, path: Path) -> tuple[Pixels, Labels]:
        """Read [n, 32, 32, 3] pixels, a view, and [n] labels; the file calls the zero ten."""
        try:
            data = path.read_bytes()
            found = {name: variable(data, name) for name in ("X", "y")}
            lacking = [name for name, value in found.items() if value is None]
            if lacking:
                raise ValueError(f"it lacks {lacking[0]!r}")
        except (OSError, *DAMAGE) as error:
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
        return pixels.transpose(3, 0, 1, 2), self.checked(
            np.where(numbers == 10, 0, numbers), str(path)
        )

    def picture(self, pixels: Pixels, row: int) -> Pixels:
        """Return one picture, [32, 32, 3]."""
        return np.ascontiguousarray(pixels[row])

    def remote(self) -> Sequence[Remote]:
        """Return torchvision's addresses."""
        from torchvision import datasets

        known = datasets.SVHN.split_list.values()
        return [Remote(name, (url,), md5) for url, name, md5 in known]
