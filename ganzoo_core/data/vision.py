"""What OpenCV does for `faces.py`: find faces and eyes, and warp once without aliasing.

Cascades: Viola and Jones, "Rapid object detection using a boosted cascade of simple features",
CVPR 2001; those bundled with OpenCV 4 (OpenCV 5 has none). OpenCV is imported when first used.

Points are (x, y) in pixels, the centre of the first pixel at (0, 0); a matrix [2, 3] maps points
of a picture to points of its crop.
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

Pixels = NDArray[np.uint8]
Array = NDArray[np.float64]
Border = Literal["reflect", "replicate"]

FACES = ("frontalface_alt2", "frontalface_default")
"""Face cascades: the second is asked where the first sees nothing."""
EYES = ("eye", "eye_tree_eyeglasses")
SPARE_EYES = ("lefteye_2splits", "righteye_2splits")
"""Cascades that see more eyes (squinting, in the dark), but less exactly: asked last."""
SPARE_DROP = 0.035
"""Their windows lie higher by this fraction of the face: medians over LFW."""
EYES_IN_BOX = np.array([[0.317, 0.390], [0.683, 0.390]])
"""Where the eyes lie in the box of a face, as fractions of its edge: medians over LFW."""
LONG_EDGE = 400
"""Faces are looked for in a copy no longer than this, in which they are `SMALLEST` or larger."""
SMALLEST = 22
PAD = 0.25
"""Room around the picture, its border repeated, so that tightly cropped faces are found too."""
PATCH = 192
"""Edge of the upright patch in which the eyes of one face are looked for."""
TILTS = (0.0, 30.0, -30.0)
"""Degrees the picture is turned by, until a face with eyes is found."""
STEPS = 2
"""Times the eyes are looked for; from the second on in the levelled patch."""
Window = tuple[float, float, float, int]
"""Centre x, centre y, edge, votes."""
_local = threading.local()
_importing = threading.Lock()


@dataclass(frozen=True)
class Found:
    """One face."""

    box: tuple[float, float, float, float]
    """x, y, width, height in the picture."""
    votes: int
    """Windows of the cascade that agreed."""
    eyes: Array | None
    """[2, 2]: the eye on the left of the picture, then the right one; None if not found."""


def opencv() -> Any:
    """Return the module cv2, whole: while one thread imports it, another would find half of it.

    Raises:
        UsageError: it is not installed, or has no cascades.
    """
    try:
        with _importing:
            import cv2

        assert hasattr(cv2, "CascadeClassifier")
    except (ImportError, AssertionError):
        raise UsageError("finding faces needs OpenCV 4: pip install 'ganzoo-core[faces]'") from None
    return cv2


def cascade(name: str) -> Any:
    """Return a cascade of this thread's own: they keep buffers and cannot be shared."""
    loaded: dict[str, Any] = _local.__dict__.setdefault("cascades", {})
    if name not in loaded:
        cv2 = opencv()
        loaded[name] = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_{name}.xml")
    return loaded[name]


def windows(
    name: str, grey: Pixels, step: float, votes: int, limits: tuple[float, float]
) -> list[Window]:
    """Return (centre x, centre y, edge, votes) of what a cascade finds, in a fixed order.

    Args:
        step: between the scales that are tried.
        votes: least number of windows that agree.
        limits: least and largest edge.
    """
    least, most = (int(limit) for limit in limits)
    boxes, counts = cascade(name).detectMultiScale2(
        grey,
        scaleFactor=step,
        minNeighbors=votes,
        minSize=(least, least),
        maxSize=(most, most),
    )
    found = zip(boxes, counts, strict=True)  # threads inside OpenCV finish in any order: sort
    return sorted((x + (w - 1) / 2, y + (h - 1) / 2, float(w), int(n)) for (x, y, w, h), n in found)


def similarity(source: Array, target: Array) -> Array:
    """Return the turn, scale and shift [2, 3] that maps two points [2, 2] onto two others."""
    a, b = (complex(*(p[1] - p[0])) for p in (source, target))
    turn = b / a
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, target[0] - linear @ source[0]])


def moved(matrix: Array, points: Array) -> Array:
    """Return points [K, 2] mapped by a matrix [2, 3]."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def inverse(matrix: Array) -> Array:
    """Return the matrix [2, 3] that undoes another."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def warp(pixels: Pixels, matrix: Array, size: int, border: Border = "reflect") -> Pixels:
    """Return the crop [S, S, C] (or [S, S]) that a similarity cuts out of a picture.

    Shrinking by a factor f samples a grid ceil(f) times as fine, about one sample a source pixel,
    and averages its cells, so no pixel is skipped; enlarging is bicubic.
    """
    cv2 = opencv()
    fine = max(1, math.ceil(1 / math.hypot(matrix[0, 0], matrix[1, 0]) - 1e-3))
    scaled = matrix * fine
    scaled[:, 2] += (fine - 1) / 2  # pixel centres: (p + 1/2) * fine - 1/2
    how = cv2.INTER_LINEAR if fine > 1 else cv2.INTER_CUBIC
    edge = cv2.BORDER_REFLECT_101 if border == "reflect" else cv2.BORDER_REPLICATE
    out = cv2.warpAffine(pixels, scaled, (size * fine, size * fine), flags=how, borderMode=edge)
    out = out if fine == 1 else cv2.resize(out, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(out, np.uint8)


def find(grey: Pixels) -> list[Found]:
    """Return the faces of a picture [H, W], largest first; those with eyes, if any has."""
    blind: list[Found] = []
    for tilt in TILTS:
        found = [one(grey, view, window) for view, window in candidates(grey, tilt)]
        if seeing := [face for face in found if face.eyes is not None]:
            return sorted(seeing, key=lambda face: -face.box[2])
        if tilt == 0:
            blind = sorted(found, key=lambda face: -face.box[2])
    return blind


def candidates(grey: Pixels, tilt: float) -> Iterator[tuple[Array, Window]]:
    """Yield (view, window) of what may be a face: the view is the matrix to the searched copy."""
    cv2 = opencv()
    height, width = grey.shape
    edge = max(height, width)
    scale = min(1.0, LONG_EDGE / edge)
    wide, high = (round(n * scale + 2 * PAD * min(height, width) * scale) for n in (width, height))
    view = centred((width, height), (wide, high), scale, tilt)
    if scale < 1:  # shrink with every pixel counted, then turn
        small = cv2.resize(
            grey,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA,
        )
        turn = centred((small.shape[1], small.shape[0]), (wide, high), 1.0, tilt)
    else:
        small, turn = grey, view
    copy = cv2.warpAffine(
        small, turn, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    for name in FACES:
        if boxes := windows(name, copy, 1.1, 4, (SMALLEST, max(wide, high))):
            yield from ((view, box) for box in boxes)
            return


def centred(source: tuple[int, int], target: tuple[int, int], scale: float, tilt: float) -> Array:
    """Return the matrix that scales and turns about the centres of two (width, height)."""
    angle = math.radians(tilt)
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    a, b = ((np.array(size) - 1) / 2 for size in (source, target))
    return np.column_stack([linear, b - linear @ a])


def one(grey: Pixels, view: Array, window: Window) -> Found:
    """Return the face in a window of a view, with its eyes if they make sense."""
    x, y, edge, votes = window
    corner = np.array([x, y]) - edge / 2
    ends = corner + edge * EYES_IN_BOX  # expected eyes, in the view
    points = moved(inverse(view), np.vstack([ends, [[x, y]]]))
    wide = edge / math.hypot(view[0, 0], view[1, 0])
    left, top = points[2] - wide / 2 + 0.5
    box = (float(left), float(top), float(wide), float(wide))
    expected = points[:2]
    target = EYES_IN_BOX * PATCH - 0.5
    eyes = None
    for step in range(STEPS):
        matrix = similarity(expected, target)
        pair = eye_pair(warp(grey, matrix, PATCH, "replicate"), loose=step == 0)
        if pair is None:
            break
        eyes = expected = moved(inverse(matrix), pair)
    return Found(box, votes, eyes)


def eye_pair(patch: Pixels, loose: bool) -> Array | None:
    """Return the eyes [2, 2] in an upright patch of one face, or None.

    Args:
        loose: the patch comes from a box; else its eyes are known to lie near `EYES_IN_BOX`.
    """
    reach = 0.14 if loose else 0.07
    seen = eye_windows(patch, EYES)
    sides = [in_reach(seen, at, reach) for at in EYES_IN_BOX]
    if not all(sides):
        seen = [(x, y + SPARE_DROP, votes) for x, y, votes in eye_windows(patch, SPARE_EYES)]
        spare = (in_reach(seen, at, reach) for at in EYES_IN_BOX)
        sides = [side or other for side, other in zip(sides, spare, strict=True)]
    if not all(sides):
        return None
    pair = np.array([agreed(side, at) for side, at in zip(sides, EYES_IN_BOX, strict=True)])
    across, down = pair[1] - pair[0]
    fair = 0.22 < across < 0.56 and abs(down) < 0.45 * across
    return pair * PATCH - 0.5 if fair else None


def eye_windows(patch: Pixels, names: tuple[str, ...]) -> list[tuple[float, float, int]]:
    """Return (x, y, votes) of all that looks like an eye, as fractions of the patch."""
    top, low = int(0.15 * PATCH), int(0.65 * PATCH)
    strip = np.ascontiguousarray(patch[top:low])
    return [
        ((x + 0.5) / PATCH, (y + 0.5 + top) / PATCH, votes)
        for name in names
        for x, y, _, votes in windows(name, strip, 1.06, 2, (0.15 * PATCH, 0.4 * PATCH))
    ]


def in_reach(
    seen: list[tuple[float, float, int]], expected: Array, reach: float
) -> list[tuple[float, float, int]]:
    """Return the windows near the place where one eye is expected."""
    return [(x, y, votes) for x, y, votes in seen if math.dist((x, y), expected) < reach]


def agreed(near: list[tuple[float, float, int]], expected: Array) -> Array:
    """Return the mean, weighted by votes, of the windows that lie with the most likely one."""
    points = np.array(near)
    away = np.hypot(*(points[:, :2] - expected).T)
    best = points[np.argmax(np.log(points[:, 2]) - (away / 0.08) ** 2), :2]
    close = np.hypot(*(points[:, :2] - best).T) < 0.05
    return np.asarray(np.average(points[close, :2], axis=0, weights=points[close, 2]))
