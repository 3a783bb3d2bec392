"""The curves of metrics.jsonl: one panel for each kind of quantity, as an image file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ganzoo_core.files import atomic_path, read_jsonl

NON_METRIC_KEYS = {"step", "total_steps", "stage", "images_seen", "seconds"}
_TITLES = {
    "loss": "Losses",
    "logits": "Logits of D",
    "accuracy": "Accuracy",
    "grad_norm": "Gradient norms",
}
"""Prefix of a log key -> title of its panel, in this order; other prefixes follow."""
_LOG_AXIS_RATIO = 100
"""Positive values get a log axis if the largest is at least this many times the smallest."""
_MAX_VALUE = 1e30
"""Larger values, those that are not finite among them, are not drawn."""


@dataclass(frozen=True)
class Panel:
    """Curves with one y axis."""

    title: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    """Log key -> (step, value), at least one."""

    @property
    def is_log(self) -> bool:
        """Whether the values are positive and span two decades."""
        values = [y for curve in self.curves.values() for _, y in curve]
        return min(values) > 0 and max(values) >= _LOG_AXIS_RATIO * min(values)


class MetricsRecord(BaseModel):
    """A line of metrics.jsonl."""

    model_config = ConfigDict(extra="allow")

    step: int


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read metrics.jsonl; a line that a crash truncated is ignored."""
    lines = read_jsonl(path, MetricsRecord) if path.exists() else []
    return [record.model_dump() for _, record in lines if record]


def make_panels(records: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Return the curves by the prefix of their log keys, such as ``loss/``, without values that are
    no finite number."""
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {prefix: {} for prefix in _TITLES}
    for name in sorted({name for record in records for name in record} - NON_METRIC_KEYS):
        points = [
            (float(record["step"]), float(record[name]))
            for record in records
            if "step" in record
            and isinstance(record.get(name), int | float)
            and abs(record[name]) < _MAX_VALUE
        ]
        if points:
            groups.setdefault(name.partition("/")[0], {})[name] = points
    return [
        Panel(_TITLES.get(prefix, prefix.replace("_", " ").capitalize()), curves)
        for prefix, curves in groups.items()
        if curves
    ]


def draw_curves(records: Sequence[Mapping[str, Any]], path: Path, title: str) -> bool:
    """Plot every logged value over the steps, one panel for each kind of quantity.

    Returns:
        False if there is nothing to plot.
    """
    panels = make_panels(records)
    if not panels:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.9 * len(panels) + 0.6), layout="constrained")
    grid = figure.subplots(len(panels), squeeze=False, sharex=True)[:, 0]
    for axes, panel in zip(grid, panels, strict=True):
        for name, points in panel.curves.items():
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1.2)
        axes.set_yscale("log" if panel.is_log else "linear")
        axes.set_title(panel.title, fontsize=9, loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    grid[-1].set_xlabel("step")
    figure.suptitle(title, fontsize=10)
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=110)
    return True
