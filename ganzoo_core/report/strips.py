"""Strips: a face and the same face at other ages, with a caption under each picture."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganzoo_core.report.grids import FAINT, GAP, INK, PAPER, to_uint8

EDGE = 128
"""Smaller pictures are enlarged to about this edge, in pixels."""
LINE = 17


def strips(rows: Sequence[Sequence[tuple[Tensor, str, str]]]) -> Image.Image:
    """Lay strips out below each other.

    Args:
        rows: of each strip its pictures: image [C, H, W] in [-1, 1], a name, and a line of figures.
    """
    size = rows[0][0][0].shape[-1]
    edge = size * max(1, round(EDGE / size))
    height = edge + 2 * LINE + 2 * GAP
    columns = max(map(len, rows))
    sheet = Image.new("RGB", (GAP + columns * (edge + GAP), GAP + len(rows) * height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for r, row in enumerate(rows):
        for c, (image, name, figures) in enumerate(row):
            left, top = GAP + c * (edge + GAP), GAP + r * height
            cell = Image.fromarray(to_uint8(image[None])[0])
            sheet.paste(cell.resize((edge, edge), Image.Resampling.BICUBIC), (left, top))
            middle = left + edge // 2
            draw.text((middle, top + edge + 2), name, INK, font, anchor="ma")
            draw.text((middle, top + edge + 2 + LINE), figures, FAINT, font, anchor="ma")
    return sheet
