"""Strips: a face and the same face at other ages, with a caption below each image."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganzoo_core.limits import cut_label
from ganzoo_core.report.image_grid import BACKGROUND_COLOR, GAP, MUTED_COLOR, TEXT_COLOR, to_uint8

_TILE_SIZE = 128
"""Smaller images are enlarged by an integer factor to about this size, in pixels."""
_LINE_HEIGHT = 17


def draw_face_strips(rows: Sequence[Sequence[tuple[Tensor, str, str]]]) -> Image.Image:
    """Return one picture with a row for each strip.

    Args:
        rows: for each strip its images [C, H, W] in [-1, 1], each with a name and a caption.
    """
    size = rows[0][0][0].shape[-1]
    edge = size * max(1, round(_TILE_SIZE / size))
    height = edge + 2 * _LINE_HEIGHT + 2 * GAP
    columns = max(map(len, rows))
    sheet = Image.new(
        "RGB", (GAP + columns * (edge + GAP), GAP + len(rows) * height), BACKGROUND_COLOR
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for r, row in enumerate(rows):
        for c, (image, name, caption) in enumerate(row):
            left, top = GAP + c * (edge + GAP), GAP + r * height
            cell = Image.fromarray(to_uint8(image[None])[0])
            sheet.paste(cell.resize((edge, edge), Image.Resampling.BICUBIC), (left, top))
            middle = left + edge // 2
            draw.text((middle, top + edge + 2), cut_label(name), TEXT_COLOR, font, anchor="ma")
            draw.text(
                (middle, top + edge + 2 + _LINE_HEIGHT),
                cut_label(caption),
                MUTED_COLOR,
                font,
                anchor="ma",
            )
    return sheet
