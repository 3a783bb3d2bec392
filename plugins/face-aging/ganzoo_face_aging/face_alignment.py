"""Face alignment: crop a face from a photograph with its eyes at fixed positions.

`align_face` detects the largest face and its eyes (see `face_detection.py`) and crops a square by
one similarity transform. The transform `face-align`
applies it to a data set. It needs OpenCV: ``pip install 'opencv-python-headless>=4.8,<5'``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from PIL import Image

from ganzoo_core.data.image_decoding import EXIF_TRANSPOSE
from ganzoo_core.errors import UsageError
from ganzoo_face_aging import face_detection
from ganzoo_face_aging.face_detection import Border, DetectedFace, FloatArray, UInt8Array
from ganzoo_face_aging.options import FaceChoice

TRANSFORM_NAME = "face-align"
"""Name of the image transform in the zoo."""
_AMBIGUOUS_SIZE_RATIO = 0.7
"""A second face at least this wide, relative to the first, makes the choice ambiguous."""
_MAX_WARP_EDGE = 32766
"""OpenCV cannot warp images with a longer edge."""


@dataclass(frozen=True, kw_only=True)
class CropGeometry:
    """Position of the eyes in the square crop, in fractions of its edge.

    The eyes are level, `eye_distance` apart, and their midpoint is at (1/2, `eye_height`). Weights
    record the geometry, so that photographs are cropped as the training images were.
    """

    eye_distance: float = 0.36
    """Between the centers of the eyes; with 0.36 the crop includes brow, chin and ears."""
    eye_height: float = 0.40
    """Distance of the eyes from the top."""
    border: Border = "reflect"
    """Padding outside the photograph: reflection, or replicated border pixels."""

    def __post_init__(self) -> None:
        if not (0 < self.eye_distance <= 1 and 0 <= self.eye_height <= 1):
            raise UsageError("eye_distance and eye_height are fractions of the crop's edge, 0 to 1")
        if self.border not in {"reflect", "replicate"}:
            raise UsageError(f'border is "reflect" or "replicate", not {self.border!r}')

    def eye_positions(self, crop_size: int) -> FloatArray:
        """Return the positions of both eyes, [2, 2] (x, y), in a crop of S pixels, left one first.

        The center of the first pixel is (0, 0), so a fraction f of the edge is f S - 1/2.
        """
        half = self.eye_distance / 2
        places = np.array([[0.5 - half, self.eye_height], [0.5 + half, self.eye_height]])
        return places * crop_size - 0.5

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CropGeometry:
        """Return the geometry from the values of `to_json`, or from `DataInfo.crop`.

        Raises:
            UsageError: a key is unknown, a value is out of range, or the crop is that of an image
                transform with other settings.
        """
        values = dict(values)
        transform = values.pop("transform", TRANSFORM_NAME)
        unknown = set(values) - {spot.name for spot in fields(cls)}
        if transform != TRANSFORM_NAME and (unknown or not values):
            raise UsageError(
                f"the training images have the transform {transform!r}, not {TRANSFORM_NAME!r}"
            )
        if unknown:
            raise UsageError(f"unknown crop geometry: {', '.join(sorted(unknown))}")
        return cls(**values)


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedFace:
    """A cropped face."""

    pixels: UInt8Array
    """[S, S, 3] uint8, RGB."""
    matrix: FloatArray
    """[2, 3]: maps (x, y) of the upright photograph to the crop; pixel centers are integers."""
    eye_positions: FloatArray
    """[2, 2] (x, y) in the upright photograph, the left one in the image first."""
    box: tuple[float, float, float, float]
    """x, y, width, height of the face in the upright photograph."""
    confidence: float
    """v / (v + 10) for v overlapping detections: a score, not a probability."""
    is_eye_aligned: bool = True
    """False if the eyes were not found and their mean position in the box was used."""
    num_other_faces: int = 0
    """Number of smaller faces in the photograph."""


@dataclass(frozen=True)
class FaceNotFound:
    """The reason why a photograph gives no aligned face."""

    reason: str


def align_face(
    image: Image.Image | UInt8Array,
    geometry: CropGeometry | None = None,
    crop_size: int = 64,
    *,
    min_face_width: int = 32,
    require_eyes: bool = True,
    pick_largest: bool = False,
) -> AlignedFace | FaceNotFound:
    """Detect the face of a photograph and crop it; see `align_faces`.

    Args:
        image, geometry, crop_size, min_face_width, require_eyes: see `align_faces`.
        pick_largest: take the largest of several faces of similar size, instead of none.
    """
    found = align_faces(
        image,
        geometry,
        crop_size,
        which="largest" if pick_largest else "single",
        min_face_width=min_face_width,
        require_eyes=require_eyes,
    )
    return found if isinstance(found, FaceNotFound) else found[0]


def align_faces(
    image: Image.Image | UInt8Array,
    geometry: CropGeometry | None = None,
    crop_size: int = 64,
    *,
    which: FaceChoice = "single",
    min_face_width: int = 32,
    require_eyes: bool = True,
    faces: list[DetectedFace] | FaceNotFound | None = None,
) -> list[AlignedFace] | FaceNotFound:
    """Detect faces of a photograph and crop them, from left to right. Thread-safe.

    Args:
        image: a PIL image of any mode (its EXIF orientation is applied), or uint8 [H, W],
            [H, W, 1], [H, W, 3] or [H, W, 4].
        geometry: position of the eyes in the crop; None for the default.
        crop_size: S, edge of the crop in pixels.
        which: the faces. With "all" and by number, faces count whose eyes were detected.
        min_face_width: minimum width of a face in pixels of the photograph.
        require_eyes: if False, a face without detected eyes is cropped by its box, and
            `is_eye_aligned` is False.
        faces: what `detect_faces` returned for the upright image; None to detect them.

    Raises:
        UsageError: OpenCV is not installed, or `image` is not an image.
        OSError, SyntaxError: from Pillow, for a damaged file.
    """
    geometry = geometry or CropGeometry()
    face_detection.import_opencv()
    pixels = to_upright_rgb(image)
    faces = detect_faces(pixels) if faces is None else faces
    if isinstance(faces, FaceNotFound):
        return faces
    chosen = _select_faces(faces, which, min_face_width, require_eyes)
    if isinstance(chosen, FaceNotFound):
        return chosen
    return [_crop_face(pixels, face, geometry, crop_size, faces) for face in chosen]


def detect_faces(pixels: UInt8Array) -> list[DetectedFace] | FaceNotFound:
    """Return the faces of an upright photograph [H, W, 3], largest first.

    Raises:
        UsageError: OpenCV is not installed.
    """
    if max(pixels.shape) > _MAX_WARP_EDGE:
        return FaceNotFound(f"image larger than {_MAX_WARP_EDGE} px: downscale it")
    return face_detection.detect_faces(np.asarray(Image.fromarray(pixels).convert("L")))


def _crop_face(
    pixels: UInt8Array,
    face: DetectedFace,
    geometry: CropGeometry,
    crop_size: int,
    faces: Sequence[DetectedFace],
) -> AlignedFace:
    """Return one of the detected faces, cropped."""
    x, y, edge, _ = face.box
    default_eyes = np.array([x, y]) - 0.5 + edge * face_detection.MEAN_EYE_POSITIONS
    eyes = default_eyes if face.eye_positions is None else face.eye_positions
    matrix = face_detection.similarity_from_two_points(eyes, geometry.eye_positions(crop_size))
    return AlignedFace(
        pixels=face_detection.warp_crop(pixels, matrix, crop_size, geometry.border),
        matrix=matrix,
        eye_positions=eyes,
        box=face.box,
        confidence=face.votes / (face.votes + 10),
        is_eye_aligned=face.eye_positions is not None,
        num_other_faces=sum(other.eye_positions is not None for other in faces)
        - (face.eye_positions is not None),
    )


def crop_by_eyes(
    image: Image.Image | UInt8Array,
    eye_coordinates: Sequence[Sequence[float]],
    geometry: CropGeometry | None = None,
    crop_size: int = 64,
) -> UInt8Array:
    """Return the crop of a face with known eyes, uint8 [S, S, 3] RGB.

    Args:
        image: see `align_face`.
        eye_coordinates: (x, y) of both eyes in fractions of the image's edges.
        geometry: position of the eyes in the crop; None for the default.
        crop_size: S, edge of the crop in pixels.
    """
    geometry = geometry or CropGeometry()
    pixels = to_upright_rgb(image)
    height, width = pixels.shape[:2]
    eye_pixels = np.asarray(eye_coordinates) * (width, height) - 0.5
    matrix = face_detection.similarity_from_two_points(
        eye_pixels, geometry.eye_positions(crop_size)
    )
    return face_detection.warp_crop(pixels, matrix, crop_size, geometry.border)


def _select_faces(
    faces: list[DetectedFace], which: FaceChoice, min_face_width: int, require_eyes: bool
) -> list[DetectedFace] | FaceNotFound:
    """Return the faces to crop, given all detected faces, largest first; or the reason for none."""
    if which in {"single", "largest"}:
        face = _select_face(faces, min_face_width, require_eyes, pick_largest=which == "largest")
        return face if isinstance(face, FaceNotFound) else [face]
    clear = [f for f in faces if f.eye_positions is not None and f.box[2] >= min_face_width]
    clear.sort(key=lambda face: face.box[0] + face.box[2] / 2)
    if not clear:
        reason = _select_face(faces, min_face_width, require_eyes=True, pick_largest=True)
        return reason if isinstance(reason, FaceNotFound) else FaceNotFound("no face found")
    if which == "all":
        return clear
    if not 1 <= int(which) <= len(clear):
        return FaceNotFound(f"there is no face {which}: {len(clear)} found, from the left")
    return [clear[int(which) - 1]]


def _select_face(
    faces: list[DetectedFace], min_face_width: int, require_eyes: bool, pick_largest: bool
) -> DetectedFace | FaceNotFound:
    if not faces:
        return FaceNotFound("no face found")
    first, *others = faces
    width = first.box[2]
    if width < min_face_width:
        return FaceNotFound(f"face smaller than {min_face_width} px: {width:.0f}")
    has_rival = (
        others
        and others[0].eye_positions is not None
        and others[0].box[2] >= _AMBIGUOUS_SIZE_RATIO * width
    )
    if has_rival and not pick_largest:
        return FaceNotFound("two faces of similar size: crop to one")
    if first.eye_positions is None and require_eyes:
        return FaceNotFound("eyes not found")
    return first


def to_upright_rgb(image: Image.Image | UInt8Array) -> UInt8Array:
    """Return RGB uint8 [H, W, 3] with the EXIF orientation applied, alpha over white."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in {2, 3} or not image.size:
            raise UsageError(f"an image is uint8 [H, W, C], not {image.dtype} {image.shape}")
        image = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    turn = EXIF_TRANSPOSE.get(_image_orientation(image))
    image = image.transpose(turn) if turn is not None else image
    if image.mode.startswith("I") or image.mode == "F":
        high_bit_depth = np.asarray(image, np.float64)
        image = Image.fromarray(
            (high_bit_depth / (257 if high_bit_depth.max() > 255 else 1)).clip(0, 255).astype("u1")
        )
    if image.mode in {"LA", "RGBA", "PA"} or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _image_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) if it is missing or unreadable."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return 1
