"""The contact sheet of a data set: a row a group, and how old everybody is."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ganzoo_core.report.grids import PAPER, grid


def contact_sheet(
    images: Tensor, columns: int, rows: tuple[str, ...], ages: Any = None, title: str = ""
) -> Image.Image:
    """Return rows of images, and below them a histogram of ages where they are known.

    Args:
        images: [rows x columns, C, H, W] in [-1, 1].
        ages: [N] years of the whole set, or None.
    """
    sheet = grid(images, columns, rows)
    if ages is None:
        return sheet
    below = histogram(np.asarray(ages), sheet.width, title)
    whole = Image.new("RGB", (sheet.width, sheet.height + below.height), PAPER)
    whole.paste(sheet, (0, 0))
    whole.paste(below, (0, sheet.height))
    return whole


def histogram(ages: Any, width: int, title: str) -> Image.Image:
    """Draw the histogram of ages in years, `width` pixels wide."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(width, 300) / 100, 1.8), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.hist(ages, bins=list(range(0, max(100, int(ages.max(initial=0)) + 2), 2)), color="#5b7fa6")
    axes.set_xlabel("age in years")
    axes.set_title(title, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB").resize((width, 180))
