"""Image decoding: modes, orientations, sizes, and invalid files."""

from __future__ import annotations

import io
import random
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo_core.data.image_decoding import decode_image
from ganzoo_core.data.parallel_decode import center_crop_resize
from ganzoo_core.interfaces import UnreadableImage


def gradient_image(width: int = 40, height: int = 50, mode: str = "RGB") -> Image.Image:
    """Return a gradient: red increases to the right, green downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels).convert(mode)


def encode_jpeg(image: Image.Image, **options: Any) -> bytes:
    return encode(image, "JPEG", quality=95, **options)


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def encode_heic(image: Image.Image, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, quality=90, **options)
    return out.getvalue()


def test_heic():
    image = decode_image(encode_heic(gradient_image()), target_size=64)
    assert image.size == (40, 50) and image.mode == "RGB"
    error = np.abs(np.asarray(image, np.int16) - np.asarray(gradient_image(), np.int16))
    assert error.mean() < 4
    data = encode_heic(gradient_image())
    for damaged in (data[: len(data) // 2], data[:12] + b"x" * 200):
        with pytest.raises(UnreadableImage):
            decode_image(damaged, target_size=64)


def test_heic_without_its_package(monkeypatch):
    data = encode_heic(gradient_image())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableImage, match="pip install -e"):
        decode_image(data, target_size=64)


VALID_JPEG = encode_jpeg(gradient_image())


@pytest.fixture(autouse=True)
def warnings_as_errors() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def encode_png(image: Image.Image, **options: Any) -> bytes:
    return encode(image, "PNG", **options)


def decode_error(data: bytes, **options: Any) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decode_image(data, target_size=64, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_modes(mode: str) -> None:
    image = decode_image(encode_jpeg(gradient_image(mode=mode)), target_size=64)
    assert image.mode == ("L" if mode == "L" else "RGB") and image.size == (40, 50)
    wanted = np.asarray(gradient_image(mode=mode).convert(image.mode), np.float64)
    assert abs(np.asarray(image) - wanted).mean() < 4


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA"])
def test_png_modes(mode: str) -> None:
    source = gradient_image(mode=mode)
    image = decode_image(encode_png(source), target_size=64)
    assert image.mode in {"L", "RGB"}
    np.testing.assert_array_equal(
        np.asarray(image.convert("RGB")), np.asarray(source.convert("RGB"))
    )


def test_png_16bit_keeps_high_byte() -> None:
    deep = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    image = decode_image(encode_png(Image.fromarray(deep)), target_size=64)
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
def test_webp_bmp_ppm_modes(form: str, mode: str, near: float) -> None:
    source = gradient_image(mode=mode)
    image = decode_image(encode(source, form), target_size=64)
    assert image.mode in {"L", "RGB"} and image.size == (40, 50)
    wanted = np.asarray(source.convert("RGB"), np.float64)
    assert abs(np.asarray(image.convert("RGB")) - wanted).mean() <= near


def test_pgm_16bit_and_ascii() -> None:
    deep = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    image = decode_image(
        b"P5\n# by hand\n32 32\n65535\n" + deep.astype(">u2").tobytes(), target_size=64
    )
    np.testing.assert_array_equal(np.asarray(image), (deep >> 8).astype(np.uint8))
    assert np.asarray(decode_image(b"P2\n2 1\n255\n7 200\n", target_size=64)).tolist() == [[7, 200]]


@pytest.mark.parametrize("form", ["WEBP", "PNG"])
def test_animation_first_frame(form: str) -> None:
    first, second = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")
    data = encode(first, form, save_all=True, append_images=[second], duration=100)
    red, _, blue = decode_image(data, target_size=64).getpixel((4, 4))
    assert red > 240 and blue < 15


def test_webp_exif_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(
        encode(gradient_image(), "WEBP", exif=exif.tobytes()), target_size=64
    ).size == (50, 40)


def test_transparency_on_white() -> None:
    image = decode_image(encode_png(Image.new("RGBA", (9, 9), (0, 0, 0, 0))), target_size=64)
    assert image.getextrema() == ((255, 255),) * 3


def test_webp_ppm_decompression_bomb() -> None:
    edge = (11999).to_bytes(3, "little")
    webp = b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + edge + edge + bytes(40)
    for data in (webp, b"P5 90000 90000 255\n" + bytes(40)):
        assert "maybe a decompression bomb" in decode_error(data)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turn", range(10))
def test_exif_orientation(order: str, turn: int) -> None:
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, turn, 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 1)
    exif = b"Exif\0\0" + head + entry + bytes(4)
    plain = gradient_image()
    data = encode_jpeg(plain, exif=exif)
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
    found = decode_image(data, target_size=64)
    assert found.size == wanted.size
    assert abs(np.asarray(found, np.float64) - np.asarray(wanted)).mean() < 4


@pytest.mark.parametrize(
    "exif", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + b"x" * 99]
)
def test_broken_exif_ignored(exif: bytes) -> None:
    assert decode_image(
        encode_jpeg(gradient_image(), exif=b"Exif\0\0" + exif), target_size=64
    ).size == (40, 50)


def test_undecodable_bytes() -> None:
    assert decode_error(b"") == "empty file"
    assert decode_error(b"<html>").startswith("not a JPEG, PNG, WebP, BMP, PGM or PPM; convert")
    assert "cannot be decoded" in decode_error(VALID_JPEG[: len(VALID_JPEG) // 2])
    assert "cannot be decoded" in decode_error(b"\xff\xd8\xff\xe0 and then nothing")
    assert "cannot be decoded" in decode_error(encode_png(gradient_image())[:-40])


def test_min_size() -> None:
    tiny = encode_jpeg(gradient_image(1, 1))
    assert decode_image(tiny, target_size=64).size == (1, 1)
    assert decode_error(tiny, min_size=2) == "smaller than 2 px: 1x1"
    assert decode_error(VALID_JPEG, min_size=41) == "smaller than 41 px: 40x50"
    assert decode_image(VALID_JPEG, target_size=64, min_size=40).size == (40, 50)


def test_png_decompression_bomb() -> None:
    def png_chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    for edge in (9500, 30000):  # Pillow warns at the first and raises at the second
        header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", edge, edge, 8, 0, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")
        assert decode_error(data).startswith(f"{edge}x{edge}: over 80 megapixels, maybe a ")


def test_draft_decoding_matches_full() -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (60, 50, 3), dtype=np.uint8))
    data = encode_jpeg(coarse.resize((1000, 1200), Image.Resampling.BICUBIC))
    fast = decode_image(data, target_size=64)
    assert 192 <= min(fast.size) < 500
    slow = Image.open(io.BytesIO(data))
    error = center_crop_resize(fast, 64, 3).astype(np.float64) - center_crop_resize(slow, 64, 3)
    assert np.sqrt((error**2).mean()) < 1.5


@pytest.mark.parametrize("width", [200, 1600])
def test_face_crop_with_margin(width: int) -> None:
    image, s = gradient_image(width, width), width / 200
    box = (50 * s + 1, 80 * s + 1, 90 * s, 120 * s)  # 40 x 40 of 200
    cut = center_crop_resize(
        decode_image(encode_jpeg(image), target_size=36, box=box, margin=0.4), 36, 3
    )
    edge = 40 * 0.4
    wanted = image.crop([round(v * s) for v in (50 - edge, 80 - edge, 90 + edge, 120 + edge)])
    assert abs(cut.astype(np.float64) - center_crop_resize(wanted, 36, 3)).mean() < 3


def test_crop_replicates_border() -> None:
    cut = np.asarray(
        decode_image(
            encode_jpeg(gradient_image(100, 100)), target_size=64, box=(1, 1, 50, 50), margin=1.0
        )
    )
    assert cut.shape == (150, 150, 3)
    assert (cut[:50, :50] == cut[0, 0]).all() and cut[75, 149, 0] > 200


@pytest.mark.parametrize(
    "box",
    [(300, 1, 320, 20), (5, 5, 5, 9), (1, 1, 500, 20), (-9, 1, 0, 20), (1, 1, float("inf"), 2)],
)
def test_face_box_outside_image(box: Any) -> None:
    assert "data.layout=crop" in decode_error(VALID_JPEG, box=box)


def test_mutated_images() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    deep = Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30))
    good = [
        encode_jpeg(gradient_image(), exif=exif),
        encode_jpeg(gradient_image(mode="CMYK"), progressive=True),
        encode_png(gradient_image(mode="P"), transparency=b"\0\1"),
        encode_png(deep),
        encode_png(gradient_image(mode="LA")),
        encode(gradient_image(), "WEBP"),
        encode(gradient_image(), "BMP"),
        encode(gradient_image(), "PPM"),
        b"P2\n2 2\n255\n7 200 9 9\n",
        encode(gradient_image(mode="RGBA"), "WEBP", lossless=True),
        encode(gradient_image(mode="P"), "BMP"),
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

    def try_decode(data: bytes) -> str:
        box = (3, 3, 20, 20) if len(data) % 2 else None
        try:
            return decode_image(data, target_size=16, box=box, margin=0.4).mode
        except UnreadableImage as error:
            assert "\n" not in str(error)
            return "unreadable"

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(try_decode, mutants))
    assert set(results) == {"L", "RGB", "unreadable"}
