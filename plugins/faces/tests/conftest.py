"""Pictures that tests write: gradients, no photographs."""

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
from ganzoo_core.zoo import resolve, zoo


def picture(form: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (20, 24)) -> bytes:
    """Return a gradient as the bytes of a file."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, size[0])
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, form)
    return out.getvalue()


GOOD = picture()


def fill(folder: Path, *names: str, data: bytes = GOOD) -> Path:
    """Write a picture under each name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def opened(name: str, path: Path | str, **options: Any) -> Any:
    """Open a data set of the zoo."""
    spec = zoo().dataset(name)
    dataset: Dataset = resolve(spec.target)(
        resolve(spec.config)(name=name, path=str(path), **options)
    )
    return dataset


def message(name: str, path: Path | str, **options: Any) -> str:
    """Return the one line with which a data set refuses."""
    with pytest.raises(DataError) as caught:
        opened(name, path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def packed(folder: Path, mode: str = "w") -> Path:
    """Return a tar of a folder."""
    path = folder.with_suffix(".tar.gz" if mode.endswith("gz") else ".tar")
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        out.add(folder, arcname=folder.name)
    return path


def reason(data: Any, index: int) -> str:
    """Return why a picture cannot be read."""
    with pytest.raises(UnreadableImage) as caught:
        data.image(index)
    return str(caught.value)


class Kit(NamedTuple):
    """The tools above, for tests."""

    picture: Any
    fill: Any
    opened: Any
    message: Any
    packed: Any
    reason: Any


@pytest.fixture(scope="session")
def kit() -> Kit:
    """Return the tools."""
    return Kit(picture, fill, opened, message, packed, reason)
