"""Figures of a comparison, as PDF, SVG or PNG: values by configuration, or curves with bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo_core.errors import DataError, UsageError
from ganzoo_core.evaluation.comparison import EvaluationComparison
from ganzoo_core.files import atomic_path
from ganzoo_core.report import read_metrics
from ganzoo_core.report.curves import NON_METRIC_KEYS
from ganzoo_core.training.run_folder import RunFolder

SUFFIXES = (".pdf", ".svg", ".png")


def check_figure_path(path: Path) -> None:
    """Check the path of a figure before anything is computed.

    Raises:
        UsageError: an unsupported suffix.
        DataError: the folder does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--figure {path}: the name must end in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise DataError(f"--figure {path}: there is no folder {path.parent}; create it first")


def draw_comparison(comparison: EvaluationComparison, path: Path) -> None:
    """Draw one panel for each value: a dot for each seed, and mean and standard deviation.

    Raises:
        DataError: there is no value to draw.
    """
    if not comparison.rows:
        raise DataError("there is no value to draw: the runs share no metric")
    from matplotlib.figure import Figure

    num_rows = len(comparison.configurations)
    num_columns = min(len(comparison.rows), 3)
    num_lines = -(-len(comparison.rows) // num_columns)
    label_width = 0.075 * max(len(one.name) for one in comparison.configurations)  # inches
    size = (3.2 * num_columns + label_width, num_lines * (0.3 * num_rows + 1.0))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(num_lines, num_columns, squeeze=False, sharey=True)
    for axes, row in zip(grid.flat, comparison.rows, strict=False):
        for i, summary in enumerate(row.summaries):
            if summary is None:
                continue
            axes.plot(summary.values, [i] * len(summary.values), "o", color="0.6", markersize=3)
            error = summary.std or 0.0
            marker = "*" if row.best == i else "D"
            axes.errorbar(
                summary.mean,
                i,
                xerr=error,
                fmt=marker,
                color="C0",
                markersize=8 if row.best == i else 4,
                capsize=3,
            )
        arrow = {"higher": " (higher is better)", "lower": " (lower is better)", "": ""}
        axes.set_title(row.title + arrow[row.better], fontsize=8, loc="left")
        _style_axes(axes)
    names = [one.name for one in comparison.configurations]
    grid[0, 0].set_yticks(range(num_rows), names)
    grid[0, 0].set_ylim(num_rows - 0.5, -0.5)
    for axes in list(grid.flat)[len(comparison.rows) :]:
        axes.set_axis_off()
    save_figure(figure, path)


def draw_seed_curves(comparison: EvaluationComparison, key: str, path: Path) -> None:
    """Draw a value of metrics.jsonl over the images seen: the mean over the runs of each
    configuration, in a band of one standard deviation.

    Args:
        comparison: the configurations, of run folders.
        key: a key of metrics.jsonl, such as ``loss/d``.
        path: of the figure.

    Raises:
        UsageError: no run logged the key.
    """
    found: dict[str, list[dict[float, float]]] = {}
    known: set[str] = set()
    for configuration in comparison.configurations:
        curves = []
        for run in configuration.runs:
            records = read_metrics(RunFolder(Path(run)).metrics)
            known.update(name for record in records for name in record)
            curves.append({r["images_seen"]: r[key] for r in records if key in r})
        found[configuration.name] = [curve for curve in curves if curve]
    if not any(found.values()):
        choices = ", ".join(sorted(known - NON_METRIC_KEYS)) or "nothing"
        raise UsageError(f"--curve {key}: no run logged this key. Logged: {choices}")
    draw_curves(found, key, path)


def draw_curves(
    curves_by_name: Mapping[str, Sequence[Mapping[float, float]]], value_name: str, path: Path
) -> None:
    """Draw curves over the images seen: the mean of the curves of each name, in a band of one
    standard deviation.

    Args:
        curves_by_name: for each run of a name, value by images seen; a name without runs is left
            out.
        value_name: the label of the values.
        path: of the figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    for i, (name, curves) in enumerate(curves_by_name.items()):
        if not curves:
            continue
        # The places that all runs of the name have.
        images_seen = sorted(set(curves[0]).intersection(*curves[1:]))
        values = np.array([[curve[x] for x in images_seen] for curve in curves], dtype=float)
        mean = values.mean(axis=0)
        axes.plot(images_seen, mean, color=f"C{i % 10}", linewidth=1.2, label=name)
        if len(curves) > 1:
            std = values.std(axis=0, ddof=1)
            axes.fill_between(images_seen, mean - std, mean + std, color=f"C{i % 10}", alpha=0.2)
    axes.set_xlabel("images seen")
    axes.set_ylabel(value_name)
    axes.legend(frameon=False, fontsize=8)
    _style_axes(axes)
    save_figure(figure, path)


def _style_axes(axes: Any) -> None:
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure without its date, so that equal values give equal files."""
    import matplotlib

    kind = path.suffix.lower().removeprefix(".")
    no_date = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[kind]
    with (
        atomic_path(path) as part,
        matplotlib.rc_context({"svg.hashsalt": "ganzoo", "pdf.fonttype": 42}),
    ):
        figure.savefig(part, format=kind, metadata=no_date, dpi=150)
