"""The picture of the ageing protocol: faces at every age, and estimated against target ages."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganzoo_core.report.grids import GAP, INK, PAPER, grid

CELL = 88
"""About the edge of a face, in pixels."""
HEAD = 22
MOST = 1500
"""Points of one cloud."""
Row = tuple[str, Sequence[Tensor | None]]


def ageing_picture(
    rows: Sequence[Row], columns: Sequence[str], clouds: Mapping[str, tuple[Any, Any]]
) -> Image.Image:
    """Return rows of faces, and below them a cloud of points for each who was measured.

    Args:
        rows: a name and its pictures [C, S, S] in [-1, 1], None where there is none.
        columns: what each column shows.
        clouds: name -> target and estimated ages [M], years.
    """
    blank = torch.ones_like(next(x for _, row in rows for x in row if x is not None))
    tiles = torch.stack([blank if x is None else x for _, row in rows for x in row])
    faces = grid(tiles, len(columns), tuple(name for name, _ in rows), cell=CELL)
    below = scatter(clouds, faces.width)
    whole = Image.new("RGB", (faces.width, HEAD + faces.height + below.height), PAPER)
    whole.paste(faces, (0, HEAD))
    whole.paste(below, (0, HEAD + faces.height))
    edge = blank.shape[-1] * max(1, round(CELL / blank.shape[-1])) + GAP
    left = faces.width - len(columns) * edge
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(size=14)
    for number, name in enumerate(columns):
        draw.text((left + number * edge + edge // 2, HEAD - 2), name, INK, font, anchor="mb")
    return whole


def scatter(clouds: Mapping[str, tuple[Any, Any]], width: int) -> Image.Image:
    """Draw estimated over target ages, a panel for each, `width` pixels wide."""
    from matplotlib.figure import Figure

    side = width / 100 / len(clouds)
    figure = Figure(figsize=(width / 100, side + 0.35), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(clouds), sharex=True, sharey=True, squeeze=False)[0]
    for number, (panel, (name, (target, estimated))) in enumerate(
        zip(panels, clouds.items(), strict=True)
    ):
        rng = np.random.default_rng(0)
        some = rng.permutation(len(target))[:MOST]
        beside = np.asarray(target)[some] + rng.uniform(-2.5, 2.5, len(some))
        panel.plot([0, 95], [0, 95], color="#b8b8c0", linewidth=1)
        panel.scatter(beside, np.asarray(estimated)[some], s=2, alpha=0.35, color="#2563a8")
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
