"""From photographs to upright faces, or the reason why not."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganzoo_core import UnreadableImage
from ganzoo_core.data import fit
from ganzoo_core.data.faces import AlignedFace, CropGeometry, align
from ganzoo_core.data.picture import decode
from ganzoo_core.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".pgm", ".ppm"}
LARGE = 1024
"""Photographs are decoded no smaller than this, so that faces in them stay large enough."""


@dataclass(frozen=True)
class Faces:
    """N faces cut out of photographs, and the photographs without one."""

    pixels: np.ndarray
    """[N, S, S, 3] uint8."""
    paths: tuple[Path, ...]
    """[N] photographs."""
    skipped: dict[Path, str]
    """Photographs without a single clear face, and why."""


def find_photos(path):
    """Return the pictures of a folder and those inside it, by name; or the one that is named.

    Raises:
        DataError: there are none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: there is no such photograph or folder")
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise DataError(f"{path} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return found


def cut(path, size, geometry=None, aligned=True):
    """Return the face [S, S, 3] uint8 of one photograph.

    Args:
        geometry: where the eyes come to lie; None for the default.
        aligned: False takes the centre square as it is: for faces that are cut out already.

    Raises:
        DataError: it cannot be read, or holds no single clear face; one line with the remedy.
    """
    try:
        picture = decode(Path(path).read_bytes(), size=size if not aligned else LARGE)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnreadableImage as error:
        raise DataError(f"{path}: {error}") from None
    if not aligned:
        return fit(picture, size, 3)
    face = align(picture, geometry, size)
    if isinstance(face, AlignedFace):
        return face.pixels
    raise DataError(f"{path}: {face.reason}; --no-align takes the picture as it is")


def read_faces(paths, size, geometry=None, aligned=True, advance=None):
    """Return the faces of photographs; those without one are noted, not fatal.

    Raises:
        DataError: not one photograph has a face.
    """
    pixels, kept, skipped = [], [], {}
    for done, path in enumerate(paths, 1):
        try:
            pixels.append(cut(path, size, geometry, aligned))
            kept.append(Path(path))
        except DataError as error:
            skipped[Path(path)] = str(error).removeprefix(f"{path}: ")
        if advance:
            advance(done, len(paths))
    if not kept:
        first, why = next(iter(skipped.items()))
        raise DataError(f"no face in {len(paths)} photographs, the first: {first}: {why}")
    return Faces(np.stack(pixels), tuple(kept), skipped)


def geometry_of(model):
    """Return the crop that a model's training images had; the default one where none is known."""
    return CropGeometry.from_json(model.info.crop) if model.info.crop else None
