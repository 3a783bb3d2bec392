"""The contact sheet of a data set: one row per class, and a histogram."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ganzoo_core.report.image_grid import BACKGROUND_COLOR, make_grid


def draw_contact_sheet(
    images: Tensor,
    columns: int,
    rows: tuple[str, ...],
    values: Any = None,
    *,
    title: str = "",
    xlabel: str = "",
) -> Image.Image:
    """Return rows of images, and below them a histogram of values if given.

    Args:
        images: [rows * columns, C, H, W] in [-1, 1].
        columns: images per row.
        rows: the names of the rows.
        values: [N] of the whole set, or None; the bins are 2 wide and start at 0.
        title, xlabel: of the histogram.
    """
    sheet = make_grid(images, columns, rows)
    if values is None:
        return sheet
    histogram_image = _draw_histogram(np.asarray(values), sheet.width, title, xlabel)
    canvas = Image.new(
        "RGB", (sheet.width, sheet.height + histogram_image.height), BACKGROUND_COLOR
    )
    canvas.paste(sheet, (0, 0))
    canvas.paste(histogram_image, (0, sheet.height))
    return canvas


def _draw_histogram(values: Any, width: int, title: str, xlabel: str) -> Image.Image:
    """Plot a histogram, `width` pixels wide."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(width, 300) / 100, 1.8), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.hist(
        values, bins=list(range(0, max(100, int(values.max(initial=0)) + 2), 2)), color="#5b7fa6"
    )
    axes.set_xlabel(xlabel)
    axes.set_title(title, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB").resize((width, 180))
