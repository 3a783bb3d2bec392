"""Bytes to an upright grey or RGB picture, silent and safe in threads.

Pillow warns about large pictures, broken EXIF and broken PNG extras, and warnings are global
state. So the extras are cut out before Pillow sees the bytes, and the size is checked here.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, WebPImagePlugin
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile

from ganzoo_core.interfaces import UnreadableImage

Box = tuple[float, ...]

MOST_PIXELS = 80_000_000
"""Above this a picture is taken for a decompression bomb (Pillow warns at 89 million)."""
SPARE = 3
"""A JPEG is decoded at no less than this many times the edge wanted, as in `Image.reduce`."""
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
EXIF = b"Exif\0\0"
"""Starts the EXIF segment of a JPEG; Pillow looks for it too, and is kept from finding it."""
PNG_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
"""What decides the colours; the rest is ancillary."""
SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".bmp",
    ".pgm",
    ".ppm",
    ".pbm",
    ".gif",
    ".tif",
    ".tiff",
    ".heic",
    ".heif",
    ".avif",
)
"""Lower-case ends of the names of pictures; the last six are met only to be refused."""
DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises on bytes that make no sense."""


def decode(
    data: bytes, *, size: int, min_size: int = 0, box: Box | None = None, margin: float = 0.0
) -> Image.Image:
    """Decode one picture.

    Args:
        data: a JPEG, PNG, WebP, BMP, PGM, PPM or PBM file; of an animation, the first frame.
        size: edge that is wanted in the end; large JPEGs are decoded no larger than needed.
        min_size: smallest allowed short edge, of the face where a box is given, in pixels.
        box: x1 y1 x2 y2 of the face, from 1; None for the whole picture.
        margin: room around the box on each side, in widths (heights) of the box.

    Returns:
        A picture of mode L or RGB.

    Raises:
        UnreadableImage: with the reason in a few words.
    """
    try:
        image, turn = opened(data)
        check(image, box, min_size)
        width = image.width
        edge = min(image.size) if box is None else int(min(box[2] - box[0], box[3] - box[1]) + 1)
        factor = edge / (SPARE * size)
        if factor >= 2:
            # A JPEG decoder can average over 2, 4 or 8 pixels on its way; others ignore this.
            image.draft(None, (int(width / factor) + 1, int(image.height / factor) + 1))
        plain = eight_bit(image)
        if box is not None:
            plain = plain.reduce(max(1, int(factor * plain.width / width)))
            plain = face(plain, box, margin, plain.width / width)
    except DAMAGE as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImage(f"cannot be decoded: {why}") from None
    return plain.transpose(UPRIGHT[turn]) if turn in UPRIGHT else plain


def opened(data: bytes) -> tuple[ImageFile, int]:
    """Read the header: the picture, not yet decoded, and its EXIF orientation."""
    if not data:
        raise UnreadableImage("empty file")
    if data.startswith(b"\xff\xd8\xff"):
        _, _, exif = data.partition(EXIF)
        return JpegImageFile(io.BytesIO(data.replace(EXIF, b"Read\0\0"))), orientation(exif)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile(io.BytesIO(essential(data))), 1
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return PpmImageFile(io.BytesIO(data)), 1
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return webp(data)
    if data.startswith(b"BM"):
        return BmpImageFile(io.BytesIO(data)), 1
    raise UnreadableImage("not a JPEG, PNG, WebP, BMP, PGM or PPM; convert it to one of these")


def webp(data: bytes) -> tuple[ImageFile, int]:
    """Open a WebP; its canvas is allocated at once, so the size is looked at before."""
    if not WebPImagePlugin.SUPPORTED:
        raise UnreadableImage("this Pillow was built without WebP; convert it to PNG")
    if data[12:16] == b"VP8X":
        limit(*(int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27)))
    elif data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        limit((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    else:
        limit(*(int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28)))
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
    return image, orientation(bytes(image.info.get("exif", b"")).removeprefix(EXIF))


def limit(width: int, height: int) -> None:
    """Refuse more pixels than a photograph has."""
    if width * height > MOST_PIXELS:
        raise UnreadableImage(f"{width}x{height}: too large, maybe a decompression bomb")


def check(image: Image.Image, box: Box | None, min_size: int) -> None:
    """Refuse a picture by its size, before it is decoded."""
    width, height = image.size
    limit(width, height)
    if box is not None:
        x1, y1, x2, y2 = box
        fits = 0 < x2 - x1 <= width and 0 < y2 - y1 <= height
        if not (fits and x1 < width and x2 > 1 and y1 < height and y2 > 1):
            raise UnreadableImage("face outside the picture (if all are: data.layout=crop)")
        width, height = int(x2 - x1 + 1), int(y2 - y1 + 1)
    if min(width, height) < min_size:
        raise UnreadableImage(f"smaller than {min_size} px: {width}x{height}")


def eight_bit(image: Image.Image) -> Image.Image:
    """Return any mode as L or RGB; alpha lies on white, 16 bits keep the upper 8."""
    if image.mode in {"L", "RGB"}:
        image.load()
        return image
    if image.mode.startswith("I"):
        grey = np.clip(np.asarray(image) >> 8, 0, 255)
        return Image.fromarray(grey.astype(np.uint8))
    if image.mode in {"LA", "RGBA"}:
        colour = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), colour).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


def face(image: Image.Image, box: Box, margin: float, scale: float) -> Image.Image:
    """Cut out a face with a margin; beyond the border its last pixels go on, as published."""
    x1, y1, x2, y2 = box[0] - 1, box[1] - 1, box[2], box[3]
    dx, dy = margin * (x2 - x1), margin * (y2 - y1)
    left, top, right, bottom = (round(v * scale) for v in (x1 - dx, y1 - dy, x2 + dx, y2 + dy))
    columns = np.arange(left, max(right, left + 1)).clip(0, image.width - 1)
    rows = np.arange(top, max(bottom, top + 1)).clip(0, image.height - 1)
    return Image.fromarray(np.asarray(image)[rows[:, None], columns])


def orientation(exif: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1, upright, where there is none that makes sense."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
            if tag == 0x0112:
                return int(value)
    except struct.error:
        pass
    return 1


def essential(data: bytes) -> bytes:
    """Return a PNG without its ancillary chunks."""
    kept, at = [data[:8]], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in PNG_CHUNKS:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)
