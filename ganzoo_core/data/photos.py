"""Photographs that a person names: found, read, and cut to what a model takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ganzoo_core.data.decode import fit
from ganzoo_core.data.faces import CropGeometry, NoFace, align
from ganzoo_core.data.picture import decode
from ganzoo_core.data.vision import Pixels
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import UnreadableImage

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".pgm", ".ppm"}
LARGE = 1024
"""Photographs are decoded no smaller than this, so that faces in them stay large enough."""


@dataclass(frozen=True)
class Photo:
    """One photograph, cut to a square."""

    path: Path
    pixels: Pixels
    """[S, S, C] uint8."""
    note: str = ""
    """What the person should know, such as that it shows several faces."""


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """Return the pictures named, and those in the folders named, in order of their names.

    Raises:
        DataError: a path that is not there, or a folder without pictures.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_file():
            found.append(path)
        elif path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise DataError(f"{path} holds no pictures ({', '.join(sorted(SUFFIXES))})")
            found += inside
        else:
            raise DataError(f"{path}: there is no such photograph or folder")
    return found


def cut_photo(path: Path, size: int, channels: int, geometry: CropGeometry | None) -> Photo:
    """Read a photograph and cut it as a model's training images were.

    Args:
        geometry: where the eyes come to lie, after the face was found; None takes the centre
            square as it is, for drawn portraits and faces that are cut out already.

    Raises:
        DataError: it cannot be read, or shows no face; one line with the remedy.
    """
    try:
        picture = decode(path.read_bytes(), size=size if geometry is None else LARGE)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnreadableImage as error:
        raise DataError(f"{path}: {error}") from None
    if geometry is None:
        return Photo(path, fit(picture, size, channels))
    face = align(picture, geometry, size, largest=True)
    if isinstance(face, NoFace):
        raise DataError(f"{path}: {face.reason}; --no-align takes the picture as it is")
    note = f"{face.others + 1} faces, the largest is taken" if face.others else ""
    return Photo(path, fit(face.pixels, size, channels), note)
