"""Bytes to pictures: every mode, orientation, size, and everything that is no picture."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.data.decode import fit
from ganzoo_core.data.picture import decode
from ganzoo_core.interfaces import UnreadableImage


def gradient(width: int = 40, height: int = 50, mode: str = "RGB") -> Image.Image:
    """Return a picture that is dark at the top left: red rises to the right, green downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels).convert(mode)


def jpeg(image: Image.Image, **options: Any) -> bytes:
    return written(image, "JPEG", quality=95, **options)


def written(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


GOOD = jpeg(gradient())


@pytest.fixture(autouse=True)
def no_warning() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def png(image: Image.Image, **options: Any) -> bytes:
    return written(image, "PNG", **options)


def reason(data: bytes, **options: Any) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decode(data, size=64, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_modes(mode: str) -> None:
    image = decode(jpeg(gradient(mode=mode)), size=64)
    assert image.mode == ("L" if mode == "L" else "RGB") and image.size == (40, 50)
    wanted = np.asarray(gradient(mode=mode).convert(image.mode), np.float64)
    assert abs(np.asarray(image) - wanted).mean() < 4


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA"])
def test_png_modes(mode: str) -> None:
    picture = gradient(mode=mode)
    image = decode(png(picture), size=64)
    assert image.mode in {"L", "RGB"}
    np.testing.assert_array_equal(
        np.asarray(image.convert("RGB")), np.asarray(picture.convert("RGB"))
    )


def test_sixteen_bits_keep_the_upper_eight() -> None:
    deep = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    image = decode(png(Image.fromarray(deep)), size=64)
    np.testing.assert_array_equal(np.asarray(image), (deep >> 8).astype(np.uint8))


@pytest.mark.parametrize(
    ("form", "mode", "near"),
    [
        ("WEBP", "RGB", 4),
        ("WEBP", "RGBA", 4),
        ("BMP", "RGB", 0),
        ("BMP", "P", 0),
        ("PPM", "RGB", 0),
        ("PPM", "L", 0),
        ("PPM", "1", 0),
        ("BMP", "1", 0),
    ],
)
def test_other_formats(form: str, mode: str, near: float) -> None:
    picture = gradient(mode=mode)
    image = decode(written(picture, form), size=64)
    assert image.mode in {"L", "RGB"} and image.size == (40, 50)
    wanted = np.asarray(picture.convert("RGB"), np.float64)
    assert abs(np.asarray(image.convert("RGB")) - wanted).mean() <= near


def test_pgm_of_sixteen_bits_and_as_text() -> None:
    deep = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    image = decode(b"P5\n# by hand\n32 32\n65535\n" + deep.astype(">u2").tobytes(), size=64)
    np.testing.assert_array_equal(np.asarray(image), (deep >> 8).astype(np.uint8))
    assert np.asarray(decode(b"P2\n2 1\n255\n7 200\n", size=64)).tolist() == [[7, 200]]


@pytest.mark.parametrize("form", ["WEBP", "PNG"])
def test_of_an_animation_the_first_frame(form: str) -> None:
    first, second = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")
    data = written(first, form, save_all=True, append_images=[second], duration=100)
    red, _, blue = decode(data, size=64).getpixel((4, 4))
    assert red > 240 and blue < 15


def test_orientation_of_a_webp() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(written(gradient(), "WEBP", exif=exif.tobytes()), size=64).size == (50, 40)


def test_what_is_transparent_lies_on_white() -> None:
    image = decode(png(Image.new("RGBA", (9, 9), (0, 0, 0, 0))), size=64)
    assert image.getextrema() == ((255, 255),) * 3


def test_large_canvases_of_other_formats() -> None:
    edge = (11999).to_bytes(3, "little")
    webp = b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + edge + edge + bytes(40)
    for data in (webp, b"P5 90000 90000 255\n" + bytes(40)):
        assert "maybe a decompression bomb" in reason(data)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turn", range(10))
def test_exif_orientation(order: str, turn: int) -> None:
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, turn, 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 1)
    exif = b"Exif\0\0" + head + entry + bytes(4)
    plain = gradient()
    data = jpeg(plain, exif=exif)
    transposed = Image.Transpose
    methods = {
        2: transposed.FLIP_LEFT_RIGHT,
        3: transposed.ROTATE_180,
        4: transposed.FLIP_TOP_BOTTOM,
        5: transposed.TRANSPOSE,
        6: transposed.ROTATE_270,
        7: transposed.TRANSVERSE,
        8: transposed.ROTATE_90,
    }
    wanted = plain.transpose(methods[turn]) if turn in methods else plain
    found = decode(data, size=64)
    assert found.size == wanted.size
    assert abs(np.asarray(found, np.float64) - np.asarray(wanted)).mean() < 4


@pytest.mark.parametrize(
    "exif", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + b"x" * 99]
)
def test_broken_exif_is_passed_over_in_silence(exif: bytes) -> None:
    assert decode(jpeg(gradient(), exif=b"Exif\0\0" + exif), size=64).size == (40, 50)


def test_no_picture() -> None:
    assert reason(b"") == "empty file"
    assert reason(b"<html>").startswith("not a JPEG, PNG, WebP, BMP, PGM or PPM; convert")
    assert "cannot be decoded" in reason(GOOD[: len(GOOD) // 2])
    assert "cannot be decoded" in reason(b"\xff\xd8\xff\xe0 and then nothing")
    assert "cannot be decoded" in reason(png(gradient())[:-40])


def test_sizes() -> None:
    tiny = jpeg(gradient(1, 1))
    assert decode(tiny, size=64).size == (1, 1)
    assert reason(tiny, min_size=2) == "smaller than 2 px: 1x1"
    assert reason(GOOD, min_size=41) == "smaller than 41 px: 40x50"
    assert decode(GOOD, size=64, min_size=40).size == (40, 50)


def test_decompression_bombs() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    for edge in (9500, 30000):  # Pillow would warn at the first and raise at the second
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", edge, edge, 8, 0, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
        assert reason(data) == f"{edge}x{edge}: too large, maybe a decompression bomb"


def test_the_fast_way_shows_the_same() -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (60, 50, 3), dtype=np.uint8))
    data = jpeg(coarse.resize((1000, 1200), Image.Resampling.BICUBIC))
    fast = decode(data, size=64)
    assert 192 <= min(fast.size) < 500
    slow = Image.open(io.BytesIO(data))
    error = fit(fast, 64, 3).astype(np.float64) - fit(slow, 64, 3)
    assert np.sqrt((error**2).mean()) < 1.5


@pytest.mark.parametrize("width", [200, 1600])
def test_a_face_is_cut_out_with_its_margin(width: int) -> None:
    image, s = gradient(width, width), width / 200
    box = (50 * s + 1, 80 * s + 1, 90 * s, 120 * s)  # 40 x 40 of 200
    cut = fit(decode(jpeg(image), size=36, box=box, margin=0.4), 36, 3)
    edge = 40 * 0.4
    wanted = image.crop([round(v * s) for v in (50 - edge, 80 - edge, 90 + edge, 120 + edge)])
    assert abs(cut.astype(np.float64) - fit(wanted, 36, 3)).mean() < 3


def test_beyond_the_border_the_last_pixels_go_on() -> None:
    cut = np.asarray(decode(jpeg(gradient(100, 100)), size=64, box=(1, 1, 50, 50), margin=1.0))
    assert cut.shape == (150, 150, 3)
    assert (cut[:50, :50] == cut[0, 0]).all() and cut[75, 149, 0] > 200


@pytest.mark.parametrize(
    "box",
    [(300, 1, 320, 20), (5, 5, 5, 9), (1, 1, 500, 20), (-9, 1, 0, 20), (1, 1, float("inf"), 2)],
)
def test_a_face_elsewhere(box: Any) -> None:
    assert "face outside the picture" in reason(GOOD, box=box)


def test_mutated_pictures() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    deep = Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30))
    good = [
        jpeg(gradient(), exif=exif),
        jpeg(gradient(mode="CMYK"), progressive=True),
        png(gradient(mode="P"), transparency=b"\0\1"),
        png(deep),
        png(gradient(mode="LA")),
        written(gradient(), "WEBP"),
        written(gradient(), "BMP"),
        written(gradient(), "PPM"),
        b"P2\n2 2\n255\n7 200 9 9\n",
        written(gradient(mode="RGBA"), "WEBP", lossless=True),
        written(gradient(mode="P"), "BMP"),
    ]
    rng = random.Random(1)
    mutants = []
    for n in range(1400):
        data = bytearray(good[n % len(good)])
        for _ in range(rng.choice([1, 4, 30])):
            data[rng.randrange(len(data) if rng.random() < 0.5 else min(60, len(data)))] = (
                rng.randrange(256)
            )
        mutants.append(bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))

    def attempt(data: bytes) -> str:
        box = (3, 3, 20, 20) if len(data) % 2 else None
        try:
            return decode(data, size=16, box=box, margin=0.4).mode
        except UnreadableImage as error:
            assert "\n" not in str(error)
            return "unreadable"

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(attempt, mutants))
    assert set(results) == {"L", "RGB", "unreadable"}
