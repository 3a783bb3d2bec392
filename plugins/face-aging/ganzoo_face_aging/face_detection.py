"""Detect faces and eyes with the Haar cascades of OpenCV, and warp crops without aliasing.

Cascades: Viola and Jones, "Rapid object detection using a boosted cascade of simple features",
CVPR 2001. They are part of OpenCV 4 (OpenCV 5 has none). OpenCV is imported at first use.

Points are (x, y) in pixels, with the center of the first pixel at (0, 0). A matrix [2, 3] maps
points of an image to points of its crop.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.errors import UsageError

UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float64]
Border = Literal["reflect", "replicate"]

_FACE_CASCADES = ("frontalface_alt2", "frontalface_default")
"""The second cascade is used where the first detects nothing."""
_EYE_CASCADES = ("eye", "eye_tree_eyeglasses")
_FALLBACK_EYE_CASCADES = ("lefteye_2splits", "righteye_2splits")
"""Cascades that detect more eyes (squinting, dark), but less exactly: used last."""
_FALLBACK_EYE_OFFSET_Y = 0.035
"""Their windows are higher by this fraction of the face: median over LFW."""
MEAN_EYE_POSITIONS = np.array([[0.317, 0.390], [0.683, 0.390]])
"""Positions of the eyes in the box of a face, as fractions of its edge: medians over LFW."""
_DETECTION_EDGE = 400
"""Faces are detected in a copy whose longer edge is at most this many pixels ..."""
_MIN_DETECTION_EDGE = 22
"""... and are at least this large in it."""
_PAD_RATIO = 0.25
"""Replicated border around the image, so that tightly cropped faces are detected too."""
_EYE_PATCH_SIZE = 192
"""Edge of the upright patch in which the eyes of one face are detected."""
_ROTATION_ANGLES = (0.0, 30.0, -30.0)
"""The image is rotated by these degrees, one after the other, until a face has eyes."""
_NUM_EYE_PASSES = 2
"""Passes of eye detection; from the second on in a patch with level eyes."""
_Window = tuple[float, float, float, int]
"""Center x, center y, edge, votes."""
_INSTALL_COMMAND = "pip install 'opencv-python-headless>=4.8,<5'"
_local = threading.local()
_importing = threading.Lock()


@dataclass(frozen=True)
class DetectedFace:
    """One detected face."""

    box: tuple[float, float, float, float]
    """x, y, width, height in the image."""
    votes: int
    """Number of overlapping detections."""
    eye_positions: FloatArray | None
    """[2, 2]: the left eye in the image, then the right one; None if not found."""


def import_opencv() -> Any:
    """Return the module cv2. A lock keeps other threads from using it while it is imported.

    Raises:
        UsageError: it is not installed, or has no cascades.
    """
    try:
        with _importing:
            import cv2

        assert hasattr(cv2, "CascadeClassifier")
    except (ImportError, AssertionError):
        raise UsageError(f"face detection needs OpenCV 4: {_INSTALL_COMMAND}") from None
    return cv2


def _load_cascade(name: str) -> Any:
    """Return a cascade for this thread: cascades hold buffers and are not thread-safe."""
    loaded: dict[str, Any] = _local.__dict__.setdefault("cascades", {})
    if name not in loaded:
        cv2 = import_opencv()
        loaded[name] = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_{name}.xml")
    return loaded[name]


def _detect_windows(
    name: str,
    gray: UInt8Array,
    scale_factor: float,
    min_votes: int,
    edge_range: tuple[float, float],
) -> list[_Window]:
    """Return the detections of a cascade, in a deterministic order.

    Args:
        name: of the cascade.
        gray: uint8 [H, W].
        scale_factor: ratio between successive scales.
        min_votes: minimum number of overlapping detections.
        edge_range: minimum and maximum edge.
    """
    least, most = (int(limit) for limit in edge_range)
    boxes, counts = _load_cascade(name).detectMultiScale2(
        gray,
        scaleFactor=scale_factor,
        minNeighbors=min_votes,
        minSize=(least, least),
        maxSize=(most, most),
    )
    found = zip(boxes, counts, strict=True)  # OpenCV's threads finish in any order: sort
    return sorted((x + (w - 1) / 2, y + (h - 1) / 2, float(w), int(n)) for (x, y, w, h), n in found)


def similarity_from_two_points(source: FloatArray, target: FloatArray) -> FloatArray:
    """Return the similarity transform [2, 3] that maps two points [2, 2] to two others."""
    a, b = (complex(*(p[1] - p[0])) for p in (source, target))
    turn = b / a
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, target[0] - linear @ source[0]])


def transform_points(matrix: FloatArray, points: FloatArray) -> FloatArray:
    """Return points [K, 2] mapped by a matrix [2, 3]."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def invert_affine(matrix: FloatArray) -> FloatArray:
    """Return the inverse [2, 3] of an affine matrix."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def warp_crop(
    pixels: UInt8Array, matrix: FloatArray, crop_size: int, border: Border = "reflect"
) -> UInt8Array:
    """Return the crop [S, S, C] (or [S, S]) of an image under a similarity transform.

    Downscaling by a factor f samples a grid that is ceil(f) times finer, about one sample for each
    source pixel, and averages its cells. Upscaling is bicubic.
    """
    cv2 = import_opencv()
    oversampling = max(1, math.ceil(1 / math.hypot(matrix[0, 0], matrix[1, 0]) - 1e-3))
    scaled = matrix * oversampling
    scaled[:, 2] += (oversampling - 1) / 2  # pixel centers: (p + 1/2) * oversampling - 1/2
    interpolation = cv2.INTER_LINEAR if oversampling > 1 else cv2.INTER_CUBIC
    border_mode = cv2.BORDER_REFLECT_101 if border == "reflect" else cv2.BORDER_REPLICATE
    out = cv2.warpAffine(
        pixels,
        scaled,
        (crop_size * oversampling, crop_size * oversampling),
        flags=interpolation,
        borderMode=border_mode,
    )
    out = (
        out
        if oversampling == 1
        else cv2.resize(out, (crop_size, crop_size), interpolation=cv2.INTER_AREA)
    )
    return np.asarray(out, np.uint8)


def detect_faces(gray: UInt8Array) -> list[DetectedFace]:
    """Return the faces of an image [H, W], largest first. If any has eyes, only those with eyes."""
    faces_without_eyes: list[DetectedFace] = []
    for tilt in _ROTATION_ANGLES:
        found = [
            _locate_eyes(gray, view, window) for view, window in _iter_face_candidates(gray, tilt)
        ]
        if faces_with_eyes := [face for face in found if face.eye_positions is not None]:
            return sorted(faces_with_eyes, key=lambda face: -face.box[2])
        if tilt == 0:
            faces_without_eyes = sorted(found, key=lambda face: -face.box[2])
    return faces_without_eyes


def _iter_face_candidates(gray: UInt8Array, tilt: float) -> Iterator[tuple[FloatArray, _Window]]:
    """Yield (view, window) of face candidates: `view` is the matrix to the copy of the image."""
    cv2 = import_opencv()
    height, width = gray.shape
    edge = max(height, width)
    scale = min(1.0, _DETECTION_EDGE / edge)
    wide, high = (
        round(n * scale + 2 * _PAD_RATIO * min(height, width) * scale) for n in (width, height)
    )
    view = rotate_scale_about_center((width, height), (wide, high), scale, tilt)
    if scale < 1:  # downscale by area averaging, then rotate
        small = cv2.resize(
            gray,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA,
        )
        turn = rotate_scale_about_center((small.shape[1], small.shape[0]), (wide, high), 1.0, tilt)
    else:
        small, turn = gray, view
    copy = cv2.warpAffine(
        small, turn, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    for name in _FACE_CASCADES:
        if boxes := _detect_windows(name, copy, 1.1, 4, (_MIN_DETECTION_EDGE, max(wide, high))):
            yield from ((view, box) for box in boxes)
            return


def rotate_scale_about_center(
    source: tuple[int, int], target: tuple[int, int], scale: float, tilt: float
) -> FloatArray:
    """Return the matrix that scales and rotates about the centers of two (width, height)."""
    angle = math.radians(tilt)
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    a, b = ((np.array(size) - 1) / 2 for size in (source, target))
    return np.column_stack([linear, b - linear @ a])


def _locate_eyes(gray: UInt8Array, view: FloatArray, window: _Window) -> DetectedFace:
    """Return the face in a window of a view, with its eyes if they are plausible."""
    x, y, edge, votes = window
    corner = np.array([x, y]) - edge / 2
    expected_in_view = corner + edge * MEAN_EYE_POSITIONS  # expected eyes, in the view
    points = transform_points(invert_affine(view), np.vstack([expected_in_view, [[x, y]]]))
    wide = edge / math.hypot(view[0, 0], view[1, 0])
    left, top = points[2] - wide / 2 + 0.5
    box = (float(left), float(top), float(wide), float(wide))
    expected = points[:2]
    target = MEAN_EYE_POSITIONS * _EYE_PATCH_SIZE - 0.5
    eyes = None
    for eye_pass in range(_NUM_EYE_PASSES):
        matrix = similarity_from_two_points(expected, target)
        pair = _detect_eye_pair(
            warp_crop(gray, matrix, _EYE_PATCH_SIZE, "replicate"), is_first_pass=eye_pass == 0
        )
        if pair is None:
            break
        eyes = expected = transform_points(invert_affine(matrix), pair)
    return DetectedFace(box, votes, eyes)


def _detect_eye_pair(patch: UInt8Array, is_first_pass: bool) -> FloatArray | None:
    """Return the eyes [2, 2] in an upright patch of one face, or None.

    Args:
        patch: uint8 [H, W].
        is_first_pass: the patch comes from the box of a face. In later passes its eyes are near
            `MEAN_EYE_POSITIONS`.
    """
    max_distance = 0.14 if is_first_pass else 0.07
    eye_candidates = _detect_eye_windows(patch, _EYE_CASCADES)
    sides = [_windows_near(eye_candidates, at, max_distance) for at in MEAN_EYE_POSITIONS]
    if not all(sides):
        eye_candidates = [
            (x, y + _FALLBACK_EYE_OFFSET_Y, votes)
            for x, y, votes in _detect_eye_windows(patch, _FALLBACK_EYE_CASCADES)
        ]
        spare = (_windows_near(eye_candidates, at, max_distance) for at in MEAN_EYE_POSITIONS)
        sides = [side or other for side, other in zip(sides, spare, strict=True)]
    if not all(sides):
        return None
    pair = np.array(
        [_vote_weighted_mean(side, at) for side, at in zip(sides, MEAN_EYE_POSITIONS, strict=True)]
    )
    across, down = pair[1] - pair[0]
    is_plausible = 0.22 < across < 0.56 and abs(down) < 0.45 * across
    return pair * _EYE_PATCH_SIZE - 0.5 if is_plausible else None


def _detect_eye_windows(
    patch: UInt8Array, names: tuple[str, ...]
) -> list[tuple[float, float, int]]:
    """Return (x, y, votes) of eye detections, as fractions of the patch."""
    top, low = int(0.15 * _EYE_PATCH_SIZE), int(0.65 * _EYE_PATCH_SIZE)
    strip = np.ascontiguousarray(patch[top:low])
    return [
        ((x + 0.5) / _EYE_PATCH_SIZE, (y + 0.5 + top) / _EYE_PATCH_SIZE, votes)
        for name in names
        for x, y, _, votes in _detect_windows(
            name, strip, 1.06, 2, (0.15 * _EYE_PATCH_SIZE, 0.4 * _EYE_PATCH_SIZE)
        )
    ]


def _windows_near(
    windows: list[tuple[float, float, int]], expected: FloatArray, max_distance: float
) -> list[tuple[float, float, int]]:
    """Return the windows near the expected position of an eye."""
    return [(x, y, votes) for x, y, votes in windows if math.dist((x, y), expected) < max_distance]


def _vote_weighted_mean(
    windows: list[tuple[float, float, int]], expected: FloatArray
) -> FloatArray:
    """Return the vote-weighted mean of the windows near the most likely one."""
    points = np.array(windows)
    distances = np.hypot(*(points[:, :2] - expected).T)
    best = points[np.argmax(np.log(points[:, 2]) - (distances / 0.08) ** 2), :2]
    close = np.hypot(*(points[:, :2] - best).T) < 0.05
    return np.asarray(np.average(points[close, :2], axis=0, weights=points[close, 2]))
