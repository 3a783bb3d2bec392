"""Grids of images: one row a class, shown large enough to look at."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganzoo_core.files import atomic

CELL = 96
GAP = 4
PAPER, INK, FAINT = (255, 255, 255), (40, 40, 46), (165, 165, 172)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """Return [N, C, H, W] in [-1, 1] as uint8 [N, H, W, 3]."""
    pixels = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte()
    return pixels.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).cpu().numpy()


def grid(
    images: Tensor,
    columns: int,
    rows: tuple[str, ...] = (),
    faint: tuple[int, ...] = (),
    cell: int = CELL,
) -> Image.Image:
    """Lay images out row by row.

    Args:
        images: [N, C, H, W] in [-1, 1].
        rows: a name for each row, written at its left; none for no names.
        faint: rows of untrained classes: greyed and marked so.
        cell: smaller images are enlarged to about this edge, in pixels.
    """
    pixels = to_uint8(images)
    edge = pixels.shape[1] * max(1, round(cell / pixels.shape[1]))
    font = ImageFont.load_default(size=15)
    names = [f"{name}\nuntrained" if i in faint else name for i, name in enumerate(rows)]
    margin = max((int(font.getlength(n.split("\n")[0])) for n in names), default=0)
    margin = max(margin, 66 if faint else 0) + 3 * GAP if names else GAP
    height = -(-len(pixels) // columns)
    sheet = Image.new("RGB", (margin + columns * (edge + GAP), GAP + height * (edge + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, array in enumerate(pixels):
        row, column = divmod(i, columns)
        tile = Image.fromarray(array).resize((edge, edge), Image.Resampling.BICUBIC)
        if row in faint:
            grey = tile.convert("L").convert("RGB")
            tile = Image.blend(grey, Image.new("RGB", tile.size, PAPER), 0.6)
        sheet.paste(tile, (margin + column * (edge + GAP), GAP + row * (edge + GAP)))
    for row, name in enumerate(names[:height]):
        place = (margin - 2 * GAP, GAP + row * (edge + GAP) + edge // 2)
        draw.text(place, name, FAINT if row in faint else INK, font, anchor="rm", align="right")
    return sheet


def png(image: Image.Image) -> bytes:
    """Return a picture as the bytes of a PNG."""
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def save_image(image: Image.Image, path: Path) -> None:
    """Write a picture atomically.

    Raises:
        OutputError: the folder cannot be written.
    """
    with atomic(path) as part:
        image.save(part, format=path.suffix.lstrip(".").upper().replace("JPG", "JPEG") or "PNG")
