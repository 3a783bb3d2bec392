"""Curves as SVG text: they follow the page's colours, light or dark, and weigh little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 216, 64, 8, 14, 30
MOST = 300
"""Points drawn of one curve; more are averaged in runs."""


def thinned(points: Points) -> Points:
    """Return at most MOST points: means of neighbours."""
    step = -(-len(points) // MOST)
    runs = [points[i : i + step] for i in range(0, len(points), max(step, 1))]
    return [(run[-1][0], sum(y for _, y in run) / len(run)) for run in runs]


def plot(curves: Mapping[str, Points], label: str) -> str:
    """Return a figure with a legend: one line a curve, coloured c0, c1, ... by the page's style.

    Args:
        curves: name -> (x, y); values that are not finite are passed over.
        label: of the x axis.
    """
    known = {
        name: thinned([p for p in curve if abs(p[1]) < 1e30]) for name, curve in curves.items()
    }
    known = {name: curve for name, curve in known.items() if curve}
    if not known:
        return ""
    xs = [x for curve in known.values() for x, _ in curve]
    ys = [y for curve in known.values() for _, y in curve]
    box = (min(xs), max(xs), min(ys), max(ys))
    parts = [axes(box, label)]
    for number, curve in enumerate(known.values()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (placed(p, box) for p in curve))
        parts.append(f'<polyline class="c{number % 8}" points="{path}"/>')
    legend = "".join(
        f'<span><i class="c{number % 8}"></i>{escape(name)} <b>{curve[-1][1]:.4g}</b></span>'
        for number, (name, curve) in enumerate(known.items())
    )
    alt = escape(f"curves of {', '.join(known)} over {label}")
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{alt}">{"".join(parts)}</svg>'
    )
    return f'<figure>{svg}<figcaption class="legend">{legend}</figcaption></figure>'


def placed(
    point: tuple[float, float], box: tuple[float, float, float, float]
) -> tuple[float, float]:
    """Return a point in the picture's own units."""
    left, right, low, high = box
    x = (point[0] - left) / (right - left) if right > left else 0.5
    y = (point[1] - low) / (high - low) if high > low else 0.5
    return LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)


def axes(box: tuple[float, float, float, float], label: str) -> str:
    """Return grid lines with their numbers, and the ends of the x axis."""
    left, right, low, high = box
    parts = []
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        _, y = placed((left, value), box)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    base = HEIGHT - 4
    parts.append(f'<text x="{LEFT}" y="{base}">{left:,.0f}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{base}" text-anchor="end">{right:,.0f}</text>')
    middle = (LEFT + WIDTH) / 2
    parts.append(f'<text x="{middle}" y="{base}" text-anchor="middle">{escape(label)}</text>')
    return "".join(parts)


def spread_out(names: Sequence[str], most: int) -> list[str]:
    """Return at most so many names, evenly spread, the first and the last among them."""
    if len(names) <= most:
        return list(names)
    at = [round(i * (len(names) - 1) / (most - 1)) for i in range(most)]
    return [names[at[0]], *(names[b] for a, b in pairwise(at) if b > a)]
