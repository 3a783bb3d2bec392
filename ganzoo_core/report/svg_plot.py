"""The geometry of line plots that the template of a page draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ganzoo_core.report.curves import Panel

_Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 640, 250
_RIGHT, _TOP, _BOTTOM = 12, 12, 32
_LABEL_GAP, _LETTER_WIDTH = 8, 10.5
"""Between a label and its tick; of a digit in the font of narrow screens, the widest."""
_MIN_LABEL_LENGTH = 6
"""Room for labels of the y axis, in letters, so that the x axes of most plots align."""
MAX_POINTS = 300
"""Points of one curve, at most; longer curves are averaged in chunks."""


@dataclass(frozen=True)
class Tick:
    """A tick of one axis."""

    position: float
    """In SVG units."""
    label: str
    anchor: str = "middle"
    """The SVG text-anchor of the label."""


@dataclass(frozen=True)
class LinePlot:
    """A panel in SVG units."""

    title: str
    is_log: bool
    left: float
    """Of the plotting area, where the labels of the y axis end."""
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: dict[str, str]
    """Log key -> points of a polyline."""
    last_values: dict[str, str]
    """Log key -> the last value."""
    width: int = field(default=WIDTH, init=False)
    height: int = field(default=HEIGHT, init=False)
    right: int = field(default=WIDTH - _RIGHT, init=False)
    label_gap: int = field(default=_LABEL_GAP, init=False)


def downsample_points(points: _Points) -> _Points:
    """Return at most MAX_POINTS points: means of consecutive ones."""
    step = -(-len(points) // MAX_POINTS)
    chunks = [points[i : i + step] for i in range(0, len(points), max(step, 1))]
    return [(run[-1][0], sum(y for _, y in run) / len(run)) for run in chunks]


def make_line_plot(panel: Panel) -> LinePlot:
    """Return the geometry of a panel, with a log axis if its values span decades."""
    from matplotlib.ticker import MaxNLocator

    curves = {name: downsample_points(curve) for name, curve in panel.curves.items()}
    xs = [x for curve in curves.values() for x, _ in curve]
    ranged = panel.curves if panel.is_log else curves  # means of spikes may span no decade
    ys = [y for curve in ranged.values() for _, y in curve]
    left_value, right_value = _pad(min(xs), max(xs), 0)
    scale = math.log10 if panel.is_log else float
    low, high = _pad(scale(min(ys)), scale(max(ys)), 0.05)

    y_values = _y_tick_values(low, high, panel.is_log)
    y_labels = _format_ticks(y_values, panel.is_log)
    left = _LABEL_GAP + _LETTER_WIDTH * max(_MIN_LABEL_LENGTH, *map(len, y_labels))

    def to_x(value: float) -> float:
        return left + (value - left_value) / (right_value - left_value) * (WIDTH - _RIGHT - left)

    def to_y(value: float) -> float:
        share = (scale(value) - low) / (high - low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    x_locator = MaxNLocator(6, integer=True, steps=[1, 2, 5, 10])
    x_values = [
        float(x)
        for x in x_locator.tick_values(left_value, right_value)
        if left_value <= x <= right_value
    ]
    return LinePlot(
        title=panel.title,
        is_log=panel.is_log,
        left=round(left, 1),
        x_ticks=[
            Tick(round(to_x(x), 1), label, _x_anchor(to_x(x) - left, WIDTH - to_x(x)))
            for x, label in zip(x_values, _format_ticks(x_values, False), strict=True)
        ],
        y_ticks=[
            Tick(round(to_y(y), 1), label, "end")
            for y, label in zip(y_values, y_labels, strict=True)
        ],
        lines={
            name: " ".join(f"{to_x(x):.1f},{to_y(y):.1f}" for x, y in curve)
            for name, curve in curves.items()
        },
        last_values={name: _with_minus(f"{c[-1][1]:.4g}") for name, c in panel.curves.items()},
    )


def _x_anchor(left_room: float, right_room: float) -> str:
    """Return the text-anchor of a label of the x axis that stays inside the plotting area."""
    if left_room < 45:
        return "start"
    return "end" if right_room < 45 else "middle"


def _pad(low: float, high: float, share: float) -> tuple[float, float]:
    """Return a range that is wider by a share of itself on both sides, and never empty."""
    if high <= low:
        margin = abs(low) * 0.1 or 1.0
        return low - margin, high + margin
    return low - share * (high - low), high + share * (high - low)


def _y_tick_values(low: float, high: float, is_log: bool) -> list[float]:
    """Return the ticks in a range; with `is_log`, the range is that of the decadic logarithms."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    if not is_log:
        found = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        return [float(y) for y in found if low <= y <= high]
    found = LogLocator(numticks=6).tick_values(10**low, 10**high)
    return [float(y) for y in found if low <= math.log10(y) <= high]


def _format_ticks(values: Sequence[float], is_log: bool) -> list[str]:
    """Return numbers with as many decimals as their distance needs."""
    step = min((b - a for a, b in pairwise(values)), default=1.0)
    values = [0.0 if abs(value) < step / 2 and not is_log else value for value in values]
    if is_log or step < 1e-4 or max(map(abs, values), default=0) >= 1e7:
        texts = [f"{value:.4g}" for value in values]
    else:
        decimals = next(d for d in range(6) if abs(round(step, d) - step) < step / 100)
        texts = [f"{value:,.{decimals}f}" for value in values]
    return [_with_minus(text) for text in texts]


def _with_minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


def evenly_spaced(names: Sequence[str], max_count: int) -> list[str]:
    """Return at most `max_count` names at even distances, including the first and the last."""
    if len(names) <= max_count:
        return list(names)
    indices = [round(i * (len(names) - 1) / (max_count - 1)) for i in range(max_count)]
    return [names[indices[0]], *(names[b] for a, b in pairwise(indices) if b > a)]
