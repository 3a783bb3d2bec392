"""Sample grids as pictures of the gallery: whole, or small for a card. Damaged ones are None."""

import io
from functools import lru_cache

from ganzoo_core.limits import INDEX_BYTES, read_bytes
from ganzoo_gallery.run_index import grid_path

_THUMBNAIL_SIZE = (480, 320)
"""The largest width and height of the picture of a card, in pixels."""
_MAX_PIXELS = 64_000_000
"""Of a grid; larger ones are not decoded."""
_MAX_THUMBNAILS = 512


SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The content security policy of a figure: an SVG file of a folder may contain scripts."""


def read_figure(path):
    """Return the bytes of the figure of a sweep; None if it is missing or too large."""
    try:
        return read_bytes(path, INDEX_BYTES)
    except OSError:
        return None


def newest(run):
    """Return the newest sample grid of a run as a small WebP; None without one."""
    path = grid_path(run, run.grids[-1]) if run.grids else None
    return path and thumbnail(path)


def thumbnail(path):
    """Return a sample grid as a small WebP; None if it is damaged or missing."""
    try:
        return _thumbnail(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(_MAX_THUMBNAILS)
def _thumbnail(path, _mtime):
    picture = _open(path)
    if picture is None:
        return None
    # The upper left corner of a grid, so that single images stay large enough to be seen.
    width, height = picture.size
    crop_width = min(width, max(_THUMBNAIL_SIZE[0], height * 3 // 2))
    picture = picture.crop((0, 0, crop_width, min(height, crop_width * 2 // 3)))
    picture.thumbnail(_THUMBNAIL_SIZE)
    return _encode(picture, "WEBP", quality=82)


def whole(path):
    """Return a sample grid as PNG, encoded again: the file may be anything. None if damaged."""
    picture = _open(path)
    return None if picture is None else _encode(picture, "PNG")


def _open(path):
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                return None
            return opened.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _encode(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
