"""Decode bytes to an upright grayscale or RGB image, thread-safe and without warnings.

Pillow warns about large images, invalid EXIF and invalid PNG metadata, and warnings are global
state. So this module removes the metadata before Pillow decodes, and checks the size itself.
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

from ganzoo_core import limits
from ganzoo_core.interfaces import UnreadableImage

_Box = tuple[float, ...]

_JPEG_DRAFT_FACTOR = 3
"""A JPEG is decoded at this multiple of the target size or larger, as in `Image.reduce`."""
EXIF_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transpose that undoes each EXIF orientation."""
_EXIF_HEADER = b"Exif\0\0"
"""First bytes of the EXIF segment of a JPEG; they are replaced so that Pillow ignores it."""
_CRITICAL_PNG_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
"""Chunks that define the pixels; all others are ancillary."""
IMAGE_SUFFIXES = (
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
"""Lower-case suffixes of image files; GIF, TIFF and AVIF are listed, but refused when
decoded."""
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1")
"""Bytes 8 to 12 of a HEIC."""
_PILLOW_ERRORS = (
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
"""Errors of Pillow for invalid bytes."""


def decode_image(
    data: bytes,
    *,
    target_size: int,
    min_size: int = 0,
    box: _Box | None = None,
    margin: float = 0.0,
) -> Image.Image:
    """Decode one image to mode L or RGB.

    Args:
        data: a JPEG, PNG, WebP, BMP, PGM, PPM or PBM file, or a HEIC if pillow-heif is installed;
            the first frame of an animation.
        target_size: edge of the final image; large JPEGs are decoded at a reduced size.
        min_size: minimum short edge in pixels, of the box if one is given.
        box: x1 y1 x2 y2 of the part to crop, in pixels from 1; None for the whole image.
        margin: margin around the box on each side, as a fraction of its width (height).

    Raises:
        UnreadableImage: with the reason in a few words.
    """
    try:
        image, orientation = _open_image(data)
        _check_image_size(image, box, min_size)
        width = image.width
        edge = min(image.size) if box is None else int(min(box[2] - box[0], box[3] - box[1]) + 1)
        factor = edge / (_JPEG_DRAFT_FACTOR * target_size)
        if factor >= 2:
            # JPEG decoders can downscale by 2, 4 or 8; other formats ignore this
            image.draft(None, (int(width / factor) + 1, int(image.height / factor) + 1))
        image_8bit = _to_8bit(image)
        if box is not None:
            image_8bit = image_8bit.reduce(max(1, int(factor * image_8bit.width / width)))
            image_8bit = _crop_box(image_8bit, box, margin, image_8bit.width / width)
    except _PILLOW_ERRORS as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImage(f"cannot be decoded: {why}") from None
    return (
        image_8bit.transpose(EXIF_TRANSPOSE[orientation])
        if orientation in EXIF_TRANSPOSE
        else image_8bit
    )


def _open_image(data: bytes) -> tuple[Image.Image, int]:
    """Return the image, not yet decoded, and its EXIF orientation."""
    if not data:
        raise UnreadableImage("empty file")
    if data.startswith(b"\xff\xd8\xff"):
        _, _, exif = data.partition(_EXIF_HEADER)
        return JpegImageFile(
            io.BytesIO(data.replace(_EXIF_HEADER, b"Read\0\0"))
        ), _exif_orientation(exif)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile(io.BytesIO(_strip_ancillary_chunks(data))), 1
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return PpmImageFile(io.BytesIO(data)), 1
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _open_webp(data)
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return _open_heic(data), 1
    if data.startswith(b"BM"):
        return BmpImageFile(io.BytesIO(data)), 1
    raise UnreadableImage("not a JPEG, PNG, WebP, BMP, PGM or PPM; convert it to one of these")


def _open_heic(data: bytes) -> Image.Image:
    """Decode a HEIC, upright. Its size is checked before the pixels are decoded."""
    try:
        import pillow_heif
    except ImportError:
        raise UnreadableImage(
            "HEIC needs pillow-heif: in the checkout, pip install -e '.[heic]'; or convert it"
        ) from None
    try:
        heic = pillow_heif.open_heif(io.BytesIO(data))
        _check_pixel_count(*heic.size)
        image: Image.Image = heic.to_pillow()
    except RuntimeError as error:  # from libheif
        raise UnreadableImage(f"cannot be decoded: {error}") from None
    return image


def _open_webp(data: bytes) -> tuple[ImageFile, int]:
    """Open a WebP. Pillow allocates its canvas at once, so the size is checked first."""
    if not WebPImagePlugin.SUPPORTED:
        raise UnreadableImage("this Pillow was built without WebP; convert it to PNG")
    if data[12:16] == b"VP8X":
        _check_pixel_count(*(int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27)))
    elif data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        _check_pixel_count((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    else:
        _check_pixel_count(
            *(int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        )
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
    return image, _exif_orientation(bytes(image.info.get("exif", b"")).removeprefix(_EXIF_HEADER))


def _check_pixel_count(width: int, height: int) -> None:
    if width * height > limits.IMAGE_PIXELS:
        raise UnreadableImage(
            f"{width}x{height}: over {limits.IMAGE_PIXELS // 10**6} megapixels, maybe a "
            "decompression bomb; scale it down"
        )


def _check_image_size(image: Image.Image, box: _Box | None, min_size: int) -> None:
    width, height = image.size
    _check_pixel_count(width, height)
    if box is not None:
        x1, y1, x2, y2 = box
        fits = 0 < x2 - x1 <= width and 0 < y2 - y1 <= height
        if not (fits and x1 < width and x2 > 1 and y1 < height and y2 > 1):
            raise UnreadableImage(
                "box outside the image (for cropped images: --set data.layout=crop)"
            )
        width, height = int(x2 - x1 + 1), int(y2 - y1 + 1)
    if min(width, height) < min_size:
        raise UnreadableImage(f"smaller than {min_size} px: {width}x{height}")


def _to_8bit(image: Image.Image) -> Image.Image:
    """Convert any mode to L or RGB: alpha over white, the upper 8 of 16 bits."""
    if image.mode in {"L", "RGB"}:
        image.load()
        return image
    if image.mode.startswith("I"):
        upper_bits = np.clip(np.asarray(image) >> 8, 0, 255)
        return Image.fromarray(upper_bits.astype(np.uint8))
    if image.mode in {"LA", "RGBA"}:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


def _crop_box(image: Image.Image, box: _Box, margin: float, scale: float) -> Image.Image:
    """Crop a box with a margin; border pixels are replicated outside the image, as published."""
    x1, y1, x2, y2 = box[0] - 1, box[1] - 1, box[2], box[3]
    dx, dy = margin * (x2 - x1), margin * (y2 - y1)
    left, top, right, bottom = (round(v * scale) for v in (x1 - dx, y1 - dy, x2 + dx, y2 + dy))
    columns = np.arange(left, max(right, left + 1)).clip(0, image.width - 1)
    rows = np.arange(top, max(bottom, top + 1)).clip(0, image.height - 1)
    return Image.fromarray(np.asarray(image)[rows[:, None], columns])


def _exif_orientation(exif: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) if it is missing or invalid."""
    byte_order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if byte_order is None:
        return 1
    try:
        (ifd_offset,) = struct.unpack_from(f"{byte_order}I", exif, 4)
        (count,) = struct.unpack_from(f"{byte_order}H", exif, ifd_offset)
        for entry in range(ifd_offset + 2, ifd_offset + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(f"{byte_order}HHIH", exif, entry)
            if tag == 0x0112:
                return int(value)
    except struct.error:
        pass
    return 1


def _strip_ancillary_chunks(data: bytes) -> bytes:
    """Return a PNG without its ancillary chunks."""
    kept, offset = [data[:8]], 8
    while offset + 12 <= len(data):
        end = offset + 12 + int.from_bytes(data[offset : offset + 4], "big")
        if data[offset + 4 : offset + 8] in _CRITICAL_PNG_CHUNKS:
            kept.append(data[offset:end])
        offset = end
    return b"".join(kept)
