"""Helpers that write images (gradients) and open data sets."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset, UnreadableImage
from ganzoo_core.zoo import import_target, zoo


def image_bytes(
    image_format: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (20, 24)
) -> bytes:
    """Return a gradient as the bytes of a file."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, size[0])
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, image_format)
    return out.getvalue()


GOOD = image_bytes()


def write_images(folder: Path, *names: str, data: bytes = GOOD) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def open_dataset(name: str, path: Path | str, **options: Any) -> Any:
    """Open all images of a data set, or another split."""
    options.setdefault("split", "all")
    spec = zoo().dataset(name)
    dataset: Dataset = import_target(spec.target)(
        import_target(spec.config)(name=name, path=str(path), **options)
    )
    return dataset


def error_message(name: str, path: Path | str, **options: Any) -> str:
    """Return the one-line message of the DataError of a data set."""
    with pytest.raises(DataError) as caught:
        open_dataset(name, path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def make_tar(folder: Path, mode: str = "w") -> Path:
    path = folder.with_suffix(".tar.gz" if mode.endswith("gz") else ".tar")
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        out.add(folder, arcname=folder.name)
    return path


def unreadable_reason(data: Any, index: int) -> str:
    with pytest.raises(UnreadableImage) as caught:
        data.load_image(index)
    return str(caught.value)


class Kit(NamedTuple):
    """The functions above, for tests."""

    image_bytes: Any
    write_images: Any
    open_dataset: Any
    error_message: Any
    make_tar: Any
    unreadable_reason: Any


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit(image_bytes, write_images, open_dataset, error_message, make_tar, unreadable_reason)
