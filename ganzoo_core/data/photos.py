"""Photographs that a person names: found, read, and cut to what a model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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


def find_photos(paths: Iterable[str | Path]) -> list[Path]:
    """Return the pictures named, and those in the folders named, in order of their names.

    Raises:
        DataError: a path that is not there, or a folder without pictures.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_file():
            found.append(path)
        elif path.is_dir():
            every = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            inside = sorted(p for p in every if p.is_file())
            if not inside:
                raise DataError(f"{path} holds no pictures ({', '.join(sorted(SUFFIXES))})")
            found += inside
        else:
            raise DataError(f"{path}: there is no such photograph or folder")
    return found


def cut_photo(
    path: Path, size: int, channels: int, geometry: CropGeometry | None, *, largest: bool = False
) -> Photo:
    """Read a photograph and cut it as a model's training images were.

    Args:
        geometry: where the eyes come to lie, after the face was found; None takes the centre
            square as it is, for drawn portraits and faces that are cut out already.
        largest: of several faces of like size take the largest, instead of refusing.

    Raises:
        DataError: it cannot be read, or shows no single clear face; one line with the remedy.
    """
    try:
        picture = decode(path.read_bytes(), size=size if geometry is None else LARGE)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnreadableImage as error:
        raise DataError(f"{path}: {error}") from None
    if geometry is None:
        return Photo(path, fit(picture, size, channels))
    face = align(picture, geometry, size, largest=largest)
    if isinstance(face, NoFace):
        raise DataError(f"{path}: {face.reason}; --no-align takes the picture as it is")
    note = f"{face.others + 1} faces, the largest is taken" if face.others else ""
    return Photo(path, fit(face.pixels, size, channels), note)


def cut_photos(
    paths: Sequence[Path],
    size: int,
    channels: int,
    geometry: CropGeometry | None,
    *,
    largest: bool = False,
    advance: Callable[[int, int], None] | None = None,
) -> tuple[list[Photo], dict[Path, str]]:
    """Return the faces of photographs, and why some have none, by path.

    Args:
        advance: told after each photograph how many are done, of how many.
    """
    cut: list[Photo] = []
    skipped: dict[Path, str] = {}
    for done, path in enumerate(paths, 1):
        try:
            cut.append(cut_photo(path, size, channels, geometry, largest=largest))
        except DataError as error:
            skipped[path] = str(error).removeprefix(f"{path}: ")
        if advance:
            advance(done, len(paths))
    return cut, skipped


def no_face(skipped: Mapping[Path, str]) -> DataError:
    """Return what to raise where not one photograph has a face: in one line, why the first."""
    path, why = next(iter(skipped.items()))
    if len(skipped) == 1:
        return DataError(f"{path}: {why}")
    return DataError(f"none of {len(skipped)} photographs shows a face, the first: {path}: {why}")
