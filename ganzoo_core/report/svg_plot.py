"""Line plots as SVG text, with the colors of the page's style, light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

_Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 216, 64, 8, 14, 30
MAX_POINTS = 300
"""Points of one curve, at most; longer curves are averaged in chunks."""


def downsample_points(points: _Points) -> _Points:
    """Return at most MAX_POINTS points: means of consecutive ones."""
    step = -(-len(points) // MAX_POINTS)
    chunks = [points[i : i + step] for i in range(0, len(points), max(step, 1))]
    return [(run[-1][0], sum(y for _, y in run) / len(run)) for run in chunks]


def svg_line_plot(curves: Mapping[str, _Points], x_label: str) -> str:
    """Return an HTML figure with a legend; the lines have the CSS classes c0, c1, ... c7.

    Args:
        curves: name -> (x, y); values that are not finite are ignored.
        x_label: of the x axis.
    """
    drawn_curves = {
        name: downsample_points([p for p in curve if abs(p[1]) < 1e30])
        for name, curve in curves.items()
    }
    drawn_curves = {name: curve for name, curve in drawn_curves.items() if curve}
    if not drawn_curves:
        return ""
    xs = [x for curve in drawn_curves.values() for x, _ in curve]
    ys = [y for curve in drawn_curves.values() for _, y in curve]
    data_range = (min(xs), max(xs), min(ys), max(ys))
    parts = [_svg_axes(data_range, x_label)]
    for number, curve in enumerate(drawn_curves.values()):
        path = " ".join(
            f"{x:.1f},{y:.1f}" for x, y in (_to_svg_coordinates(p, data_range) for p in curve)
        )
        parts.append(f'<polyline class="c{number % 8}" points="{path}"/>')
    legend = "".join(
        f'<span><i class="c{number % 8}"></i>{escape(name)} <b>{curve[-1][1]:.4g}</b></span>'
        for number, (name, curve) in enumerate(drawn_curves.items())
    )
    alt = escape(f"curves of {', '.join(drawn_curves)} over {x_label}")
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{alt}">{"".join(parts)}</svg>'
    )
    return f'<figure>{svg}<figcaption class="legend">{legend}</figcaption></figure>'


def _to_svg_coordinates(
    point: tuple[float, float], data_range: tuple[float, float, float, float]
) -> tuple[float, float]:
    """Return a point of the data in SVG units."""
    left, right, low, high = data_range
    x = (point[0] - left) / (right - left) if right > left else 0.5
    y = (point[1] - low) / (high - low) if high > low else 0.5
    return LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)


def _svg_axes(data_range: tuple[float, float, float, float], x_label: str) -> str:
    """Return horizontal grid lines with their values, and the labels of the x axis."""
    left, right, low, high = data_range
    parts = []
    for fraction in (0.0, 0.5, 1.0):
        value = low + fraction * (high - low)
        _, y = _to_svg_coordinates((left, value), data_range)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    base = HEIGHT - 4
    parts.append(f'<text x="{LEFT}" y="{base}">{left:,.0f}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{base}" text-anchor="end">{right:,.0f}</text>')
    middle = (LEFT + WIDTH) / 2
    parts.append(f'<text x="{middle}" y="{base}" text-anchor="middle">{escape(x_label)}</text>')
    return "".join(parts)


def evenly_spaced(names: Sequence[str], max_count: int) -> list[str]:
    """Return at most `max_count` names at even distances, including the first and the last."""
    if len(names) <= max_count:
        return list(names)
    indices = [round(i * (len(names) - 1) / (max_count - 1)) for i in range(max_count)]
    return [names[indices[0]], *(names[b] for a, b in pairwise(indices) if b > a)]
