"""Grids of images, one row per class."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ganzoo_core.files import atomic_path
from ganzoo_core.limits import cut_label

if TYPE_CHECKING:
    from torch import Tensor

_TILE_SIZE = 96
_COLUMN_NAME_HEIGHT = 22
_MAX_MARGIN = 300
"""Width of the longest row name, in pixels; a longer one is cut."""
GAP = 4
BACKGROUND_COLOR, TEXT_COLOR, MUTED_COLOR = (255, 255, 255), (40, 40, 46), (165, 165, 172)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """Return images [N, C, H, W] in [-1, 1] as uint8 [N, H, W, 3]."""
    pixels = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte()
    return pixels.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).cpu().numpy()


def make_grid(
    images: Tensor,
    columns: int,
    row_names: tuple[str, ...] = (),
    muted_rows: tuple[int, ...] = (),
    tile_size: int = _TILE_SIZE,
    *,
    column_names: tuple[str, ...] = (),
    empty_cells: Collection[int] = (),
) -> Image.Image:
    """Return a grid of images, row by row.

    Args:
        images: [N, C, H, W] in [-1, 1].
        columns: images per row.
        row_names: written at the left of each row; empty for no names.
        muted_rows: rows of classes without training images: pale gray, marked "untrained".
        tile_size: smaller images are enlarged by an integer factor to about this size, in pixels.
        column_names: written above each column; empty for no names.
        empty_cells: indices of images that are left out, their cells white.
    """
    pixels = to_uint8(images)
    edge = pixels.shape[1] * max(1, round(tile_size / pixels.shape[1]))
    font = ImageFont.load_default(size=15)
    row_names = tuple(_shorten(cut_label(name), font, _MAX_MARGIN) for name in row_names)
    names = [f"{name}\nuntrained" if i in muted_rows else name for i, name in enumerate(row_names)]
    margin = max((int(font.getlength(n.split("\n")[0])) for n in names), default=0)
    margin = max(margin, 66 if muted_rows else 0) + 3 * GAP if names else GAP
    top = GAP + (_COLUMN_NAME_HEIGHT if column_names else 0)
    num_rows = -(-len(pixels) // columns)
    sheet = Image.new(
        "RGB", (margin + columns * (edge + GAP), top + num_rows * (edge + GAP)), BACKGROUND_COLOR
    )
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(column_names[:columns]):
        place = (margin + column * (edge + GAP) + edge // 2, top - 2 * GAP)
        draw.text(place, _shorten(cut_label(name), font, edge), TEXT_COLOR, font, anchor="ms")
    for i, array in enumerate(pixels):
        if i in empty_cells:
            continue
        row, column = divmod(i, columns)
        tile = Image.fromarray(array).resize((edge, edge), Image.Resampling.BICUBIC)
        if row in muted_rows:
            grayscale = tile.convert("L").convert("RGB")
            tile = Image.blend(grayscale, Image.new("RGB", tile.size, BACKGROUND_COLOR), 0.6)
        sheet.paste(tile, (margin + column * (edge + GAP), top + row * (edge + GAP)))
    for row, name in enumerate(names[:num_rows]):
        place = (margin - 2 * GAP, top + row * (edge + GAP) + edge // 2)
        draw.text(
            place,
            name,
            MUTED_COLOR if row in muted_rows else TEXT_COLOR,
            font,
            anchor="rm",
            align="right",
        )
    return sheet


def _shorten(text: str, font: Any, width: int) -> str:
    """Return a text cut to a width in pixels, with an ellipsis where letters are left out."""
    if len(text) <= width and font.getlength(text) <= width:
        return text
    text = text[:width]  # no letter is narrower than a pixel
    while text and font.getlength(f"{text}\u2026") > width:
        text = text[:-1]
    return f"{text}\u2026"


def save_png_images(images: Tensor, paths: Sequence[Path]) -> None:
    """Write images [N, C, H, W] in [-1, 1] as PNGs of their own size, grayscale for one channel.

    Raises:
        OutputError: a file cannot be written.
    """
    for image, path in zip(to_uint8(images), paths, strict=True):
        save_image(Image.fromarray(image if images.shape[1] == 3 else image[..., 0]), path)


def encode_png(image: Image.Image) -> bytes:
    """Return an image as the bytes of a PNG."""
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def save_image(image: Image.Image, path: Path) -> None:
    """Write an image atomically, in the format of the suffix.

    Raises:
        OutputError: the folder cannot be written.
    """
    with atomic_path(path) as part:
        image.save(part, format=path.suffix.lstrip(".").upper().replace("JPG", "JPEG") or "PNG")
