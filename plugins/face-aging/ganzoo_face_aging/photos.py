"""Photographs given on the command line: read them and crop their faces for a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo_core import limits
from ganzoo_core.data import center_crop_resize
from ganzoo_core.data.input_images import read_image
from ganzoo_core.errors import DataError
from ganzoo_face_aging.compositing import Placement
from ganzoo_face_aging.face_alignment import (
    AlignedFace,
    CropGeometry,
    FaceNotFound,
    align_faces,
    detect_faces,
)
from ganzoo_face_aging.face_detection import DetectedFace, UInt8Array, warp_crop
from ganzoo_face_aging.options import FaceChoice

Detections = dict[tuple[Path, tuple[int, int]], list[DetectedFace] | FaceNotFound]
"""The faces of photographs by path and size, so that they are detected once."""
Realign = Callable[[UInt8Array, AlignedFace, CropGeometry, int], AlignedFace]
_MIN_DECODE_SIZE = 1024
"""Photographs are decoded at least this large, so that faces can be detected."""
_HEADER_BYTES = 4096
_MAX_GRAY_SPREAD = 3
"""Mean distance of the largest and the smallest channel of a gray image, of 255."""


@dataclass(frozen=True)
class Photo:
    """One face of a photograph, cropped to a square."""

    path: Path
    pixels: UInt8Array
    """[S, S, C] uint8."""
    placement: Placement
    """Where the crop is in the photograph as it was decoded."""
    number: int = 1
    """Counts the faces that were taken from this photograph."""
    num_other_faces: int = 0
    """Faces in the photograph beside this one."""
    portrait: UInt8Array | None = None
    """The same crop as [T, T, 3], for `portrait_size` T."""

    @property
    def is_gray(self) -> bool:
        """Whether the face has no color, but for the noise of JPEG."""
        channels = self.pixels.astype(np.int16)
        return bool(np.ptp(channels, axis=2).mean() < _MAX_GRAY_SPREAD)


def read_whole_photo(path: Path) -> Image.Image:
    """Return a photograph at its full size, upright, mode L or RGB; raises as `read_image`."""
    return read_image(path, limits.IMAGE_PIXELS)


def is_animated(path: Path) -> bool:
    """Return whether a WebP or PNG file is an animation, of which the first frame is read."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError:
        return False
    if header[:4] == b"RIFF" and header[12:16] == b"VP8X":
        return bool(header[20] & 2)
    return header.startswith(b"\x89PNG") and b"acTL" in header


def load_faces_of_photo(
    path: Path,
    image_size: int,
    num_channels: int,
    geometry: CropGeometry | None,
    *,
    which: FaceChoice = "single",
    realign: Realign | None = None,
    portrait_size: int = 0,
    detections: Detections | None = None,
) -> list[Photo]:
    """Read a photograph and crop its faces as the training images of a model were.

    Args:
        path: the photograph.
        image_size: edge of the result, in pixels.
        num_channels: 1 for grayscale, 3 for RGB.
        geometry: position of the eyes in the crop, after face detection; None for the center
            square, for rendered portraits and faces that are cropped already.
        which: the faces, where they are detected.
        realign: crops a detected face again; see `FaceAlign.realign`.
        portrait_size: edge T of `Photo.portrait`; 0 for none.
        detections: of earlier calls; those of this one are added.

    Raises:
        DataError: the photograph cannot be read, or does not show these faces clearly.
    """
    decode_size = max(image_size if geometry is None else _MIN_DECODE_SIZE, portrait_size)
    return crop_faces(
        read_image(path, decode_size),
        path,
        image_size,
        num_channels,
        geometry,
        which=which,
        realign=realign,
        portrait_size=portrait_size,
        detections=detections,
    )


def crop_faces(
    image: Image.Image,
    path: Path,
    image_size: int,
    num_channels: int,
    geometry: CropGeometry | None,
    *,
    which: FaceChoice = "single",
    realign: Realign | None = None,
    portrait_size: int = 0,
    detections: Detections | None = None,
) -> list[Photo]:
    """Crop the faces of a decoded photograph; `path` names it. See `load_faces_of_photo`."""
    if geometry is None:
        pixels = center_crop_resize(image, image_size, num_channels)
        portrait = center_crop_resize(image, portrait_size, 3) if portrait_size else None
        square = Placement.center_square(image.size, image_size)
        return [Photo(path, pixels, square, portrait=portrait)]
    upright = np.asarray(image.convert("RGB"))
    detections = {} if detections is None else detections
    key = path, image.size
    if key not in detections:
        detections[key] = detect_faces(upright)
    faces = align_faces(upright, geometry, image_size, which=which, faces=detections[key])
    if isinstance(faces, FaceNotFound):
        remedy = "" if _has_eyes(detections[key]) else _turn_advice(upright)
        raise DataError(f"{path}: {faces.reason}; {remedy or '--no-align uses the whole image'}")
    if realign:
        faces = [realign(upright, face, geometry, image_size) for face in faces]
    photos = []
    for number, face in enumerate(faces, 1):
        placement = Placement(face.matrix, image_size, image.size)
        portrait = None
        if portrait_size:
            matrix = placement.enlarged_crop(portrait_size).matrix
            portrait = warp_crop(upright, matrix, portrait_size, geometry.border)
        pixels = center_crop_resize(face.pixels, image_size, num_channels)
        photos.append(Photo(path, pixels, placement, number, face.num_other_faces, portrait))
    return photos


def _turn_advice(pixels: UInt8Array) -> str:
    """Return how to turn a photograph [H, W, 3] so that it shows an upright face; empty if no turn
    does."""
    turns = {1: "90 degrees to the left", 3: "90 degrees to the right", 2: "180 degrees"}
    for quarter_turns, text in turns.items():
        if _has_eyes(detect_faces(np.ascontiguousarray(np.rot90(pixels, quarter_turns)))):
            return f"turn it by {text}, which shows a face"
    return ""


def _has_eyes(faces: list[DetectedFace] | FaceNotFound) -> bool:
    """Return whether there is a face whose eyes were detected."""
    return not isinstance(faces, FaceNotFound) and any(
        face.eye_positions is not None for face in faces
    )


def load_photo(
    path: Path, image_size: int, num_channels: int, geometry: CropGeometry | None
) -> Photo:
    """Return the only clear face of a photograph; see `load_faces_of_photo`."""
    return load_faces_of_photo(path, image_size, num_channels, geometry)[0]


def load_photos(
    paths: Sequence[Path],
    image_size: int,
    num_channels: int,
    geometry: CropGeometry | None,
    *,
    which: FaceChoice = "single",
    realign: Realign | None = None,
    portrait_size: int = 0,
    detections: Detections | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Photo], dict[Path, str]]:
    """Return the faces of photographs, and the reason for each photograph without one, by path.

    Args:
        paths: the photographs.
        image_size, num_channels, geometry, which, realign, portrait_size, detections: of each
            photograph; see `load_faces_of_photo`.
        progress: called after each photograph with (done, total).
    """
    photos: list[Photo] = []
    skipped: dict[Path, str] = {}
    for done, path in enumerate(paths, 1):
        try:
            photos += load_faces_of_photo(
                path,
                image_size,
                num_channels,
                geometry,
                which=which,
                realign=realign,
                portrait_size=portrait_size,
                detections=detections,
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
