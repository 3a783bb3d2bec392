"""Images given on the command line: find them, and read them as the images of a model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ganzoo_core import limits
from ganzoo_core.data.image_decoding import decode_image
from ganzoo_core.data.parallel_decode import center_crop_resize
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import UnreadableImage

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".pgm", ".ppm", ".heic", ".heif")


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Return the given files and the images in the given folders, sorted by name within each.

    Raises:
        DataError: a path does not exist, or a folder has no images.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES)
            if not (inside := [p for p in inside if p.is_file()]):
                raise DataError(f"{path} contains no images ({', '.join(_SUFFIXES)})")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise DataError(f"{path}: no such image or folder")
    return found


def read_image(path: Path, target_size: int) -> Image.Image:
    """Return a decoded image file, at least `target_size` px large where it is as large.

    Raises:
        DataError: the file cannot be read, or is not an image.
    """
    try:
        return decode_image(limits.read_bytes(path, limits.IMAGE_BYTES), target_size=target_size)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnreadableImage as error:
        raise DataError(f"{path}: {error}") from None


def load_image(path: Path, image_size: int, num_channels: int) -> Tensor:
    """Return the center square of an image file as uint8 [C, S, S]; raises as `read_image`."""
    pixels = center_crop_resize(read_image(path, image_size), image_size, num_channels)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)
