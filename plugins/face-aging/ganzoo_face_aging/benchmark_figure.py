"""The figure of the aging benchmark: faces at each age, and estimated over target ages."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganzoo_core.report.image_grid import BACKGROUND_COLOR, GAP, TEXT_COLOR, make_grid

_TILE_SIZE = 88
"""Approximate size of a face, in pixels."""
_HEADER_HEIGHT = 22
_MAX_SCATTER_POINTS = 1500
"""Points of one scatter plot, at most."""
ImageRow = tuple[str, Sequence[Tensor | None]]


def aging_picture(
    rows: Sequence[ImageRow], columns: Sequence[str], scatter_data: Mapping[str, tuple[Any, Any]]
) -> Image.Image:
    """Return rows of faces, and below them a scatter plot of ages for each method.

    Args:
        rows: a name and its images [C, S, S] in [-1, 1]; None for an empty cell.
        columns: the names of the columns.
        scatter_data: method -> target and estimated ages [M], in years.
    """
    blank = torch.ones_like(next(x for _, row in rows for x in row if x is not None))
    tiles = torch.stack([blank if x is None else x for _, row in rows for x in row])
    faces = make_grid(tiles, len(columns), tuple(name for name, _ in rows), tile_size=_TILE_SIZE)
    below = _draw_age_scatter(scatter_data, faces.width)
    whole = Image.new(
        "RGB", (faces.width, _HEADER_HEIGHT + faces.height + below.height), BACKGROUND_COLOR
    )
    whole.paste(faces, (0, _HEADER_HEIGHT))
    whole.paste(below, (0, _HEADER_HEIGHT + faces.height))
    edge = blank.shape[-1] * max(1, round(_TILE_SIZE / blank.shape[-1])) + GAP
    left = faces.width - len(columns) * edge
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(size=14)
    for number, name in enumerate(columns):
        draw.text(
            (left + number * edge + edge // 2, _HEADER_HEIGHT - 2),
            name,
            TEXT_COLOR,
            font,
            anchor="mb",
        )
    return whole


def _draw_age_scatter(scatter_data: Mapping[str, tuple[Any, Any]], width: int) -> Image.Image:
    """Plot estimated over target ages, one panel for each method, `width` pixels wide."""
    from matplotlib.figure import Figure

    panel_inches = width / 100 / len(scatter_data)
    figure = Figure(figsize=(width / 100, panel_inches + 0.35), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(scatter_data), sharex=True, sharey=True, squeeze=False)[0]
    for number, (panel, (name, (target, estimated))) in enumerate(
        zip(panels, scatter_data.items(), strict=True)
    ):
        rng = np.random.default_rng(0)
        subset = rng.permutation(len(target))[:_MAX_SCATTER_POINTS]
        jittered_target = np.asarray(target)[subset] + rng.uniform(-2.5, 2.5, len(subset))
        panel.plot([0, 95], [0, 95], color="#b8b8c0", linewidth=1)
        panel.scatter(
            jittered_target, np.asarray(estimated)[subset], s=2, alpha=0.35, color="#2563a8"
        )
        panel.set(xlim=(0, 95), ylim=(0, 95), xticks=(0, 30, 60, 90), yticks=(0, 30, 60, 90))
        panel.set_title(name, fontsize=9)
        panel.set_xlabel("target age", fontsize=8)
        if not number:
            panel.set_ylabel("estimated age", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")
