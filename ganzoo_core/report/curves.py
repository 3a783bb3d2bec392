"""Loss curves from metrics.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ganzoo_core.files import atomic_path

NON_METRIC_KEYS = {"step", "total_steps", "stage", "images_seen", "seconds"}


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read metrics.jsonl; a last line that a crash truncated is ignored."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def draw_curves(records: list[dict[str, Any]], path: Path, title: str) -> bool:
    """Plot every logged value over the steps: ``loss/*`` in the first panel, others in the second.

    Returns:
        False if there is nothing to plot.
    """
    names = sorted({name for record in records for name in record} - NON_METRIC_KEYS)
    if not names:
        return False
    from matplotlib.figure import Figure

    losses = [name for name in names if name.startswith("loss/")]
    panels = [panel for panel in (losses, [n for n in names if n not in losses]) if panel]
    figure = Figure(figsize=(7, 2.6 * len(panels) + 0.6), layout="constrained")
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        for name in panel:
            points = [(r["step"], r[name]) for r in records if name in r]
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1.2)
        axes.legend(frameon=False, ncols=4, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.set_xlabel("step")
    figure.suptitle(title, fontsize=10)
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=110)
    return True
