"""From a photograph to an upright face: eyes level, at stated places, or the reason why not.

`align` finds the largest face and its eyes (see `vision.py`) and cuts out a square by one turn,
scale and shift. Needs OpenCV: ``pip install 'ganzoo-core[faces]'``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from PIL import Image

from ganzoo_core.data import vision
from ganzoo_core.data.vision import Array, Border, Found, Pixels
from ganzoo_core.errors import UsageError

LIKE_SIZE = 0.7
"""A second face at least this wide, next to the first, leaves open which one is meant."""
LARGEST_EDGE = 32766
"""OpenCV warps no picture with a longer edge."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation."""


@dataclass(frozen=True, kw_only=True)
class CropGeometry:
    """Where the eyes lie in the square crop, in fractions of its edge; the same at every size.

    The eyes are level, `eye_distance` apart, their midpoint at (1/2, `eye_height`). Weights record
    it, so that photographs given to a model are cut as its training images were.
    """

    eye_distance: float = 0.36
    """Between the centres of the eyes; 0.36 leaves brow, chin and the ears in the crop."""
    eye_height: float = 0.40
    """Of the line through the eyes, from the top."""
    border: Border = "reflect"
    """What lies beyond the photograph: its mirror image, or its last pixels repeated."""

    def __post_init__(self) -> None:
        if not (0 < self.eye_distance <= 1 and 0 <= self.eye_height <= 1):
            raise UsageError("eye_distance and eye_height are fractions of the crop's edge, 0 to 1")
        if self.border not in {"reflect", "replicate"}:
            raise UsageError(f'border is "reflect" or "replicate", not {self.border!r}')

    def eyes(self, size: int) -> Array:
        """Return where both eyes come to lie [2, 2] (x, y) in a crop of S pixels, left one first.

        The centre of the first pixel is (0, 0), so a fraction f of the edge is f S - 1/2.
        """
        half = self.eye_distance / 2
        places = np.array([[0.5 - half, self.eye_height], [0.5 + half, self.eye_height]])
        return places * size - 0.5

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CropGeometry:
        """Rebuild from `to_json`.

        Raises:
            UsageError: a key is unknown or a value out of range.
        """
        unknown = set(values) - {spot.name for spot in fields(cls)}
        if unknown:
            raise UsageError(f"unknown crop geometry: {', '.join(sorted(unknown))}")
        return cls(**values)


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedFace:
    """A face, cut out."""

    pixels: Pixels
    """[S, S, 3] uint8, RGB."""
    matrix: Array
    """[2, 3]: maps (x, y) of the upright photograph to the crop, pixel centres at whole numbers."""
    eyes: Array
    """[2, 2] (x, y) in the upright photograph, the one on its left first."""
    box: tuple[float, float, float, float]
    """x, y, width, height of the face in the upright photograph."""
    confidence: float
    """v / (v + 10) for v windows of the detector that agreed: an order, not a probability."""
    levelled: bool = True
    """False where the eyes were not found and their usual place in the box was taken."""
    others: int = 0
    """Smaller faces in the photograph."""


@dataclass(frozen=True)
class NoFace:
    """Why there is no aligned face, in words."""

    reason: str


def align(
    image: Image.Image | Pixels,
    geometry: CropGeometry | None = None,
    size: int = 64,
    *,
    smallest: int = 32,
    need_eyes: bool = True,
    largest: bool = False,
) -> AlignedFace | NoFace:
    """Find the face of a photograph and cut it out by a geometry. May run in several threads.

    Args:
        image: a PIL image of any mode (its EXIF orientation is obeyed), or uint8 [H, W], [H, W, 1],
            [H, W, 3] or [H, W, 4].
        geometry: where the eyes come to lie; None for the default.
        size: S, edge of the crop.
        smallest: least width of the face in pixels of the photograph.
        need_eyes: False: where no eyes are found, cut by the face's box, `levelled` is False.
        largest: of several faces of like size take the largest, instead of refusing.

    Raises:
        UsageError: OpenCV is not installed, or `image` is not a picture.
        OSError, SyntaxError: from Pillow, a picture whose file is damaged.
    """
    geometry = geometry or CropGeometry()
    vision.opencv()
    pixels = upright(image)
    if max(pixels.shape) > LARGEST_EDGE:
        return NoFace(f"picture larger than {LARGEST_EDGE} px: shrink it")
    faces = vision.find(np.asarray(Image.fromarray(pixels).convert("L")))
    face = chosen(faces, smallest, need_eyes, largest)
    if isinstance(face, NoFace):
        return face
    x, y, edge, _ = face.box
    usual = np.array([x, y]) - 0.5 + edge * vision.EYES_IN_BOX
    eyes = usual if face.eyes is None else face.eyes
    matrix = vision.similarity(eyes, geometry.eyes(size))
    return AlignedFace(
        pixels=vision.warp(pixels, matrix, size, geometry.border),
        matrix=matrix,
        eyes=eyes,
        box=face.box,
        confidence=face.votes / (face.votes + 10),
        levelled=face.eyes is not None,
        others=sum(other.eyes is not None for other in faces) - (face.eyes is not None),
    )


def realign(
    image: Image.Image | Pixels,
    eyes: Sequence[Sequence[float]],
    geometry: CropGeometry | None = None,
    size: int = 64,
) -> Pixels:
    """Cut a face out by a geometry, given where its eyes lie in fractions of the picture's edges.

    Returns:
        [S, S, 3] uint8, RGB.
    """
    geometry = geometry or CropGeometry()
    pixels = upright(image)
    height, width = pixels.shape[:2]
    places = np.asarray(eyes) * (width, height) - 0.5
    matrix = vision.similarity(places, geometry.eyes(size))
    return vision.warp(pixels, matrix, size, geometry.border)


def chosen(faces: list[Found], smallest: int, need_eyes: bool, largest: bool) -> Found | NoFace:
    """Return the one face that is meant, of all found, largest first; or why none is."""
    if not faces:
        return NoFace("no face found")
    first, *others = faces
    width = first.box[2]
    if width < smallest:
        return NoFace(f"face smaller than {smallest} px: {width:.0f}")
    rival = others and others[0].eyes is not None and others[0].box[2] >= LIKE_SIZE * width
    if rival and not largest:
        return NoFace("two faces of like size: crop to one")
    if first.eyes is None and need_eyes:
        return NoFace("eyes not found")
    return first


def upright(image: Image.Image | Pixels) -> Pixels:
    """Return RGB uint8 [H, W, 3], turned as its EXIF says; what is transparent lies on white."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in {2, 3} or not image.size:
            raise UsageError(f"a picture is uint8 [H, W, C], not {image.dtype} {image.shape}")
        image = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    turn = UPRIGHT.get(orientation(image))
    image = image.transpose(turn) if turn is not None else image
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image, np.float64)
        image = Image.fromarray((deep / (257 if deep.max() > 255 else 1)).clip(0, 255).astype("u1"))
    if image.mode in {"LA", "RGBA", "PA"} or "transparency" in image.info:
        colour = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), colour)
    return np.array(image.convert("RGB"))


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1, upright, where there is none that can be read."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return 1
