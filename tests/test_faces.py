"""Alignment: the geometry exactly, with a known detector; detection where real photographs lie."""

import builtins
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.data import vision
from ganzoo_core.data.archive import open_files
from ganzoo_core.data.faces import AlignedFace, CropGeometry, NoFace, align, realign, upright
from ganzoo_core.errors import UsageError

EYES = np.array([[100.0, 120.0], [160.0, 150.0]])
BOX = (60.0, 60.0, 140.0, 140.0)
PHOTOGRAPHS = Path(os.environ.get("GANZOO_TEST_DATA", "shared/data")) / "lfw_part.tar"


def seeing(monkeypatch, *faces):
    """Let the detector find these faces."""
    monkeypatch.setattr(vision, "find", lambda grey: list(faces))


def found(eyes=EYES, box=BOX):
    """Return a face."""
    return vision.Found(box, 30, eyes)


def dots(points, size=300, radius=6):
    """Return a dark picture with a bright, soft dot at each point."""
    y, x = np.mgrid[:size, :size]
    light = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2)) for px, py in points)
    return np.repeat((light * 255).clip(0, 255).astype(np.uint8)[..., None], 3, 2)


def centre(light):
    """Return the centre (x, y) of what is bright."""
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    light = np.where(light > 64, light, 0).astype(float)
    return np.array([(x * light).sum(), (y * light).sum()]) / light.sum()


@pytest.mark.parametrize("size", [32, 64, 100, 256])
def test_eyes_come_to_their_stated_places(monkeypatch, size):
    """The matrix maps the eyes there exactly, the pixels to within half of one."""
    seeing(monkeypatch, found())
    geometry = CropGeometry(eye_distance=0.4, eye_height=0.35)
    face = align(dots(EYES), geometry, size)
    assert isinstance(face, AlignedFace) and face.levelled and 0 < face.confidence < 1
    assert face.pixels.shape == (size, size, 3) and face.pixels.dtype == np.uint8
    want = np.array([[0.3, 0.35], [0.7, 0.35]]) * size - 0.5
    np.testing.assert_allclose(vision.moved(face.matrix, face.eyes), want, atol=1e-9)
    half = size // 2
    for eye, at, part in ((0, 0, face.pixels[:, :half, 0]), (1, half, face.pixels[:, half:, 0])):
        place = centre(part) + np.array([at, 0])
        assert np.abs(place - want[eye]).max() < 0.5


def test_turned_and_moved_photographs_give_the_same_crop(monkeypatch):
    """The same picture at another angle, scale and place is cut to nearly the same pixels."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (12, 12, 3), np.uint8)
    photograph = np.asarray(Image.fromarray(small).resize((300, 300), Image.Resampling.BICUBIC))
    seeing(monkeypatch, found())
    first = align(photograph)
    for tilt, scale in ((17, 1.3), (-30, 0.8)):
        view = vision.centred((300, 300), (500, 500), scale, tilt)
        other = vision.warp(photograph, view, 500)
        seeing(monkeypatch, found(vision.moved(view, EYES)))
        again = align(other)
        assert np.abs(again.pixels.astype(int) - first.pixels).mean() < 2.5


def test_faces_cut_out_alike_are_moved_by_where_their_eyes_lie():
    """Each dot comes to its place within a tenth of a pixel, and no detector is asked."""
    crop = realign(dots(EYES), (EYES + 0.5) / 300, size=64)
    for x, y in CropGeometry().eyes(64):
        patch = crop[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5, 0].astype(float)
        rows, columns = np.mgrid[-4:5, -4:5]
        seen = (columns * patch).sum() / patch.sum(), (rows * patch).sum() / patch.sum()
        assert np.allclose(seen, (x - round(x), y - round(y)), atol=0.1)


def test_shrinking_counts_every_pixel():
    """A chessboard of single pixels shrinks to grey, not to a moire; a flat picture stays flat."""
    board = (np.indices((800, 800)).sum(0) % 2 * 255).astype(np.uint8)
    for tilt in (0, 11):
        small = vision.warp(board, vision.centred((800, 800), (64, 64), 64 / 700, tilt), 64)
        assert np.abs(small.astype(int) - 127).max() < 12
    flat = np.full((50, 50), 77, np.uint8)
    assert (vision.warp(flat, vision.centred((50, 50), (64, 64), 0.3, 5), 64) == 77).all()


def test_reasons(monkeypatch):
    """Where there is no face to cut out, it is said why."""
    grey = np.zeros((300, 300), np.uint8)
    like = found(box=(150.0, 60.0, 110.0, 110.0))
    child = found(box=(150.0, 60.0, 60.0, 60.0))
    for faces, words in (
        ((), "no face found"),
        ((found(), like), "two faces of like size: crop to one"),
        ((found(eyes=None),), "eyes not found"),
        ((found(box=(0.0, 0.0, 20.0, 20.0)),), "face smaller than 32 px: 20"),
    ):
        seeing(monkeypatch, *faces)
        assert align(grey) == NoFace(words)
    seeing(monkeypatch, found(), child)
    assert isinstance(align(grey), AlignedFace)
    seeing(monkeypatch, found(eyes=None))
    face = align(grey, need_eyes=False)
    assert isinstance(face, AlignedFace) and not face.levelled
    assert face.eyes[0, 1] == face.eyes[1, 1] and 60 < face.eyes[0, 0] < 130 < face.eyes[1, 0]


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (64, 64), (120, 90, 4)])
def test_pictures_without_a_face(shape):
    """Empty and tiny pictures go through the real detector."""
    rng = np.random.default_rng(0)
    assert align(np.zeros(shape, np.uint8)) == NoFace("no face found")
    assert isinstance(align(rng.integers(0, 255, shape, np.uint8)), NoFace)


def test_every_kind_of_picture_becomes_rgb():
    """Grey, palettes, alpha, CMYK, 16 bits; transparency is white; EXIF turns."""
    red = Image.new("RGB", (8, 4), (200, 40, 40))
    for mode in ("L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV"):
        assert upright(red.convert(mode)).shape == (4, 8, 3)
    assert np.abs(upright(red.convert("CMYK")).astype(int) - (200, 40, 40)).max() < 4
    assert (upright(Image.new("RGBA", (2, 2), (0, 0, 0, 0))) == 255).all()
    deep = Image.fromarray(np.full((2, 2), 65535, np.uint16))
    assert (upright(deep) == 255).all()
    for pixels in (np.zeros((2, 3), np.uint8), np.zeros((2, 3, 1), np.uint8)):
        assert upright(pixels).shape == (2, 3, 3)
    with pytest.raises(UsageError, match="float64"):
        upright(np.zeros((2, 3)))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    red.save(file, "JPEG", exif=exif)
    assert upright(Image.open(file)).shape == (8, 4, 3)


def test_geometry_travels_as_json():
    """It comes back equal; what makes no sense is refused."""
    geometry = CropGeometry(eye_distance=0.3, border="replicate")
    assert CropGeometry.from_json(geometry.to_json()) == geometry
    for wrong in ({"eye_distance": 0}, {"eye_height": 2}, {"border": "wrap"}, {"chin": 1}):
        with pytest.raises(UsageError):
            CropGeometry.from_json(wrong)


def test_without_opencv_one_line_says_what_to_install(monkeypatch):
    """OpenCV is an extra."""
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"pip install 'ganzoo-core\[faces\]'"):
        align(np.zeros((9, 9), np.uint8))


def real_photographs_align():
    """Most are aligned, threads agree, and a turned photograph gives nearly the same eyes."""
    with open_files(PHOTOGRAPHS) as files:
        names = [name for name in files.names if name.endswith(".jpg")][::600]
        pictures = [Image.open(io.BytesIO(files.read(name))).convert("RGB") for name in names]
    faces = [align(picture) for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        again = list(pool.map(align, pictures))
    good = [i for i, face in enumerate(faces) if isinstance(face, AlignedFace)]
    assert len(good) >= 0.7 * len(faces)
    assert all(np.array_equal(faces[i].pixels, again[i].pixels) for i in good)
    errors = []
    for i in good:
        view = vision.centred((250, 250), (280, 280), 1.1, 20)
        other = align(vision.warp(np.array(pictures[i]), view, 280))
        if isinstance(other, AlignedFace):
            back = vision.moved(faces[i].matrix, vision.moved(vision.inverse(view), other.eyes))
            errors.append(np.abs(back - vision.moved(faces[i].matrix, faces[i].eyes)).max())
    assert len(errors) >= 0.6 * len(good) and np.median(errors) < 1.5


if PHOTOGRAPHS.exists():
    test_real_photographs_align = real_photographs_align
