"""Photographs given on the command line: read and crop them for a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganzoo_core.data import center_crop_resize
from ganzoo_core.data.input_images import read_image
from ganzoo_core.errors import DataError
from ganzoo_face_aging.face_alignment import CropGeometry, FaceNotFound, align_face
from ganzoo_face_aging.face_detection import UInt8Array

_MIN_DECODE_SIZE = 1024
"""Photographs are decoded at least this large, so that faces can be detected."""


@dataclass(frozen=True)
class Photo:
    """One photograph, cropped to a square."""

    path: Path
    pixels: UInt8Array
    """[S, S, C] uint8."""
    note: str = ""
    """A message for the user, such as the number of faces."""


def load_photo(
    path: Path,
    image_size: int,
    num_channels: int,
    geometry: CropGeometry | None,
    *,
    pick_largest: bool = False,
) -> Photo:
    """Read a photograph and crop it as the training images of a model were.

    Args:
        path: the photograph.
        image_size: edge of the result, in pixels.
        num_channels: 1 for grayscale, 3 for RGB.
        geometry: position of the eyes in the crop, after face detection; None for the center
            square, for rendered portraits and faces that are cropped already.
        pick_largest: take the largest of several faces of similar size, instead of an error.

    Raises:
        DataError: the photograph cannot be read, or does not show exactly one clear face.
    """
    image = read_image(path, image_size if geometry is None else _MIN_DECODE_SIZE)
    if geometry is None:
        return Photo(path, center_crop_resize(image, image_size, num_channels))
    face = align_face(image, geometry, image_size, pick_largest=pick_largest)
    if isinstance(face, FaceNotFound):
        raise DataError(f"{path}: {face.reason}; --no-align uses the whole image")
    note = f"{face.num_other_faces + 1} faces, the largest is used" if face.num_other_faces else ""
    return Photo(path, center_crop_resize(face.pixels, image_size, num_channels), note)


def load_photos(
    paths: Sequence[Path],
    image_size: int,
    num_channels: int,
    geometry: CropGeometry | None,
    *,
    pick_largest: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Photo], dict[Path, str]]:
    """Return the faces of photographs, and the reason for each photograph without one, by path.

    Args:
        paths: the photographs.
        image_size, num_channels, geometry, pick_largest: see `load_photo`.
        progress: called after each photograph with (done, total).
    """
    photos: list[Photo] = []
    skipped: dict[Path, str] = {}
    for done, path in enumerate(paths, 1):
        try:
            photos.append(
                load_photo(path, image_size, num_channels, geometry, pick_largest=pick_largest)
            )
        except DataError as error:
            skipped[path] = str(error).removeprefix(f"{path}: ")
        if progress:
            progress(done, len(paths))
    return photos, skipped


def no_face_error(skipped: Mapping[Path, str]) -> DataError:
    """Return the error for photographs without any face; it gives the reason of the first."""
    path, why = next(iter(skipped.items()))
    if len(skipped) == 1:
        return DataError(f"{path}: {why}")
    return DataError(f"no face in any of {len(skipped)} photographs, the first: {path}: {why}")
