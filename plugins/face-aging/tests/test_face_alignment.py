"""Face alignment: exact geometry with a fake detector, and detection on LFW if it is there."""

import builtins
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ganzoo_face_aging import face_detection
from ganzoo_face_aging.face_alignment import (
    AlignedFace,
    CropGeometry,
    FaceNotFound,
    align_face,
    crop_by_eyes,
    to_upright_rgb,
)
from PIL import Image

from ganzoo_core.data.archive import open_files
from ganzoo_core.errors import UsageError

EYE_COORDINATES = np.array([[100.0, 120.0], [160.0, 150.0]])
FACE_BOX = (60.0, 60.0, 140.0, 140.0)
LFW_TAR = Path(os.environ.get("GANZOO_TEST_DATA", "shared/data")) / "lfw_part.tar"


def patch_detector(monkeypatch, *faces):
    monkeypatch.setattr(face_detection, "detect_faces", lambda gray: list(faces))


def detected_face(eye_coordinates=EYE_COORDINATES, box=FACE_BOX):
    return face_detection.DetectedFace(box, 30, eye_coordinates)


def draw_dots(points, size=300, radius=6):
    """Return a dark image with a bright Gaussian dot at each point."""
    y, x = np.mgrid[:size, :size]
    light = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2)) for px, py in points)
    return np.repeat((light * 255).clip(0, 255).astype(np.uint8)[..., None], 3, 2)


def bright_center(brightness):
    """Return the centroid (x, y) of the bright pixels."""
    y, x = np.mgrid[: brightness.shape[0], : brightness.shape[1]]
    brightness = np.where(brightness > 64, brightness, 0).astype(float)
    return np.array([(x * brightness).sum(), (y * brightness).sum()]) / brightness.sum()


@pytest.mark.parametrize("size", [32, 64, 100, 256])
def test_align_places_eyes(monkeypatch, size):
    """The matrix maps the eyes exactly; the pixels are within half a pixel."""
    patch_detector(monkeypatch, detected_face())
    geometry = CropGeometry(eye_distance=0.4, eye_height=0.35)
    face = align_face(draw_dots(EYE_COORDINATES), geometry, size)
    assert isinstance(face, AlignedFace) and face.is_eye_aligned and 0 < face.confidence < 1
    assert face.pixels.shape == (size, size, 3) and face.pixels.dtype == np.uint8
    want = np.array([[0.3, 0.35], [0.7, 0.35]]) * size - 0.5
    np.testing.assert_allclose(
        face_detection.transform_points(face.matrix, face.eye_positions), want, atol=1e-9
    )
    half = size // 2
    for eye, at, part in ((0, 0, face.pixels[:, :half, 0]), (1, half, face.pixels[:, half:, 0])):
        place = bright_center(part) + np.array([at, 0])
        assert np.abs(place - want[eye]).max() < 0.5


def test_align_is_invariant_to_pose(monkeypatch):
    """A rotated, scaled and shifted photograph gives nearly the same crop."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (12, 12, 3), np.uint8)
    photograph = np.asarray(Image.fromarray(small).resize((300, 300), Image.Resampling.BICUBIC))
    patch_detector(monkeypatch, detected_face())
    first = align_face(photograph)
    for tilt, scale in ((17, 1.3), (-30, 0.8)):
        view = face_detection.rotate_scale_about_center((300, 300), (500, 500), scale, tilt)
        other = face_detection.warp_crop(photograph, view, 500)
        patch_detector(
            monkeypatch, detected_face(face_detection.transform_points(view, EYE_COORDINATES))
        )
        again = align_face(other)
        assert np.abs(again.pixels.astype(int) - first.pixels).mean() < 2.5


def test_realign_places_eyes():
    """Each dot is within a tenth of a pixel of its position; no detector runs."""
    crop = crop_by_eyes(draw_dots(EYE_COORDINATES), (EYE_COORDINATES + 0.5) / 300, crop_size=64)
    for x, y in CropGeometry().eye_positions(64):
        patch = crop[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5, 0].astype(float)
        rows, columns = np.mgrid[-4:5, -4:5]
        seen = (columns * patch).sum() / patch.sum(), (rows * patch).sum() / patch.sum()
        assert np.allclose(seen, (x - round(x), y - round(y)), atol=0.1)


def test_warp_is_antialiased():
    """A chessboard of single pixels shrinks to gray; a constant image stays constant."""
    board = (np.indices((800, 800)).sum(0) % 2 * 255).astype(np.uint8)
    for tilt in (0, 11):
        small = face_detection.warp_crop(
            board,
            face_detection.rotate_scale_about_center((800, 800), (64, 64), 64 / 700, tilt),
            64,
        )
        assert np.abs(small.astype(int) - 127).max() < 12
    flat = np.full((50, 50), 77, np.uint8)
    assert (
        face_detection.warp_crop(
            flat, face_detection.rotate_scale_about_center((50, 50), (64, 64), 0.3, 5), 64
        )
        == 77
    ).all()


def test_no_face_reasons(monkeypatch):
    gray = np.zeros((300, 300), np.uint8)
    like = detected_face(box=(150.0, 60.0, 110.0, 110.0))
    child = detected_face(box=(150.0, 60.0, 60.0, 60.0))
    for faces, words in (
        ((), "no face found"),
        ((detected_face(), like), "two faces of similar size: crop to one"),
        ((detected_face(eye_coordinates=None),), "eyes not found"),
        ((detected_face(box=(0.0, 0.0, 20.0, 20.0)),), "face smaller than 32 px: 20"),
    ):
        patch_detector(monkeypatch, *faces)
        assert align_face(gray) == FaceNotFound(words)
    patch_detector(monkeypatch, detected_face(), child)
    assert isinstance(align_face(gray), AlignedFace)
    patch_detector(monkeypatch, detected_face(eye_coordinates=None))
    face = align_face(gray, require_eyes=False)
    assert isinstance(face, AlignedFace) and not face.is_eye_aligned
    assert (
        face.eye_positions[0, 1] == face.eye_positions[1, 1]
        and 60 < face.eye_positions[0, 0] < 130 < face.eye_positions[1, 0]
    )


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (64, 64), (120, 90, 4)])
def test_images_without_face(shape):
    """The real detector accepts empty and tiny images."""
    rng = np.random.default_rng(0)
    assert align_face(np.zeros(shape, np.uint8)) == FaceNotFound("no face found")
    assert isinstance(align_face(rng.integers(0, 255, shape, np.uint8)), FaceNotFound)


def test_image_modes_become_rgb():
    """Grayscale, palettes, CMYK, 16 bits, alpha over white, EXIF orientation."""
    red = Image.new("RGB", (8, 4), (200, 40, 40))
    for mode in ("L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV"):
        assert to_upright_rgb(red.convert(mode)).shape == (4, 8, 3)
    assert np.abs(to_upright_rgb(red.convert("CMYK")).astype(int) - (200, 40, 40)).max() < 4
    assert (to_upright_rgb(Image.new("RGBA", (2, 2), (0, 0, 0, 0))) == 255).all()
    deep = Image.fromarray(np.full((2, 2), 65535, np.uint16))
    assert (to_upright_rgb(deep) == 255).all()
    for pixels in (np.zeros((2, 3), np.uint8), np.zeros((2, 3, 1), np.uint8)):
        assert to_upright_rgb(pixels).shape == (2, 3, 3)
    with pytest.raises(UsageError, match="float64"):
        to_upright_rgb(np.zeros((2, 3)))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    red.save(file, "JPEG", exif=exif)
    assert to_upright_rgb(Image.open(file)).shape == (8, 4, 3)


def test_crop_geometry_json_round_trip():
    geometry = CropGeometry(eye_distance=0.3, border="replicate")
    assert CropGeometry.from_json(geometry.to_json()) == geometry
    for wrong in ({"eye_distance": 0}, {"eye_height": 2}, {"border": "wrap"}, {"chin": 1}):
        with pytest.raises(UsageError):
            CropGeometry.from_json(wrong)


def test_missing_opencv_error(monkeypatch):
    real = builtins.__import__

    def import_without_cv2(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr(builtins, "__import__", import_without_cv2)
    with pytest.raises(UsageError, match=r"pip install 'opencv-python-headless"):
        align_face(np.zeros((9, 9), np.uint8))


def check_lfw_alignment():
    """Most faces are aligned, threads give equal results, and a rotation moves the eyes with it."""
    with open_files(LFW_TAR) as files:
        names = [name for name in files.names if name.endswith(".jpg")][::600]
        images = [Image.open(io.BytesIO(files.read(name))).convert("RGB") for name in names]
    faces = [align_face(image) for image in images]
    with ThreadPoolExecutor(3) as pool:
        again = list(pool.map(align_face, images))
    good = [i for i, face in enumerate(faces) if isinstance(face, AlignedFace)]
    assert len(good) >= 0.7 * len(faces)
    assert all(np.array_equal(faces[i].pixels, again[i].pixels) for i in good)
    errors = []
    for i in good:
        view = face_detection.rotate_scale_about_center((250, 250), (280, 280), 1.1, 20)
        other = align_face(face_detection.warp_crop(np.array(images[i]), view, 280))
        if isinstance(other, AlignedFace):
            back = face_detection.transform_points(
                faces[i].matrix,
                face_detection.transform_points(
                    face_detection.invert_affine(view), other.eye_positions
                ),
            )
            errors.append(
                np.abs(
                    back - face_detection.transform_points(faces[i].matrix, faces[i].eye_positions)
                ).max()
            )
    assert len(errors) >= 0.6 * len(good) and np.median(errors) < 1.5


if LFW_TAR.exists():
    test_real_photographs_align = check_lfw_alignment
