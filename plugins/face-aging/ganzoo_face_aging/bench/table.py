"""The table of a benchmark from its results: Markdown, CSV and LaTeX; and the trade-off figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo_core.evaluation.comparison_figure import save_figure
from ganzoo_core.evaluation.comparison_table import escape_latex

COLUMNS: dict[str, tuple[str, str]] = {
    "combined": ("combined", "higher"),
    "age_score": ("age score", "higher"),
    "age_error": ("age error, years", "lower"),
    "age_bias": ("bias, years", ""),
    "age_pearson_r": ("r", "higher"),
    "monotonic_rate": ("monotone", "higher"),
    "acceptance": ("accepted", ""),
    "acceptance_drift": ("accepted - real", ""),
    "identity_error": ("identity error", "lower"),
    "kid": ("KID", "lower"),
    "round_trip_cosine": ("round trip", "higher"),
    "paired_l1": ("L1", "lower"),
    "paired_ssim": ("SSIM", "higher"),
    "paired_embedding_distance": ("distance to truth", "lower"),
}
"""Value -> title, and which direction is better; empty for neither."""
_LABELS = {
    "paired target": "oracle",
    "real pairs": "real cross-age pair",
    "real faces": "evaluator floor",
}


def collect_rows(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each label, the baselines last, the best combined value first.

    Args:
        results: of single seeds; each has `label`, `kind`, `seed` and what `grade` returns.

    Returns:
        Rows with `label`, `kind`, `seeds`, `num_cells`, and `values`: name -> `mean`, `std` over
        the seeds (None for one), and `ci95`, the interval over people of the first seed.
    """
    by_label: dict[str, list[Mapping[str, Any]]] = {}
    for result in sorted(results, key=lambda one: (one["label"], one["seed"])):
        by_label.setdefault(result["label"], []).append(result)
    rows = []
    for label, seeds in by_label.items():
        values = {}
        for name in COLUMNS:
            found = [one["values"][name] for one in seeds if name in one["values"]]
            numbers = [one["value"] for one in found if one["value"] is not None]
            if numbers:
                std = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
                mean = float(np.mean(numbers))
                values[name] = {"mean": mean, "std": std, "ci95": found[0]["ci95"]}
        rows.append(
            {
                "label": _LABELS.get(label, label),
                "kind": seeds[0]["kind"],
                "seeds": len(seeds),
                "num_cells": len(seeds[0]["cells"]),
                "values": values,
            }
        )
    return sorted(
        rows,
        key=lambda row: (
            row["kind"] == "baseline",
            -row["values"].get("combined", {"mean": -1.0})["mean"],
            row["label"],
        ),
    )


def present_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the values that a row has, in the order of `COLUMNS`."""
    return [name for name in COLUMNS if any(name in row["values"] for row in rows)]


def format_table(rows: Sequence[Mapping[str, Any]], kind: str) -> str:
    """Return rows as `markdown`, `latex` (for the package booktabs) or `csv`, with a newline.

    A cell is the mean and the standard deviation over seeds, or the value of one seed with the
    95 % interval over people.
    """
    names = present_columns(rows)
    if kind == "csv":
        return _format_csv(rows, names)
    is_latex = kind == "latex"
    arrows = (
        {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "": ""}
        if is_latex
        else {"higher": " \N{UPWARDS ARROW}", "lower": " \N{DOWNWARDS ARROW}", "": ""}
    )
    escape = escape_latex if is_latex else str
    titles = [escape(COLUMNS[name][0]) + arrows[COLUMNS[name][1]] for name in names]
    lines = [["method", "seeds", "cells", *titles]]
    for row in rows:
        cells = [_cell(row["values"].get(name), is_latex=is_latex) for name in names]
        lines.append([escape(row["label"]), str(row["seeds"]), str(row["num_cells"]), *cells])
    if is_latex:
        body = [" & ".join(line) + r" \\" for line in lines]
        head = [f"\\begin{{tabular}}{{l{'r' * (len(lines[0]) - 1)}}}", r"\toprule"]
        foot = [r"\bottomrule", r"\end{tabular}"]
        return "\n".join([*head, body[0], r"\midrule", *body[1:], *foot]) + "\n"
    text = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    text.insert(1, "|---" * len(lines[0]) + "|")
    return "\n".join(text) + "\n"


def _cell(value: Mapping[str, Any] | None, *, is_latex: bool) -> str:
    if value is None:
        return "-"
    if value["std"] is not None:
        plus_minus = r"$\pm$" if is_latex else "\N{PLUS-MINUS SIGN}"
        return f"{value['mean']:.3g} {plus_minus} {value['std']:.2g}"
    if not value["ci95"] or None in value["ci95"]:
        return f"{value['mean']:.3g}"
    low, high = value["ci95"]
    return f"{value['mean']:.3g} [{low:.3g}, {high:.3g}]"


def _format_csv(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    parts = ("mean", "std", "low", "high")
    writer.writerow(
        [
            "method",
            "kind",
            "seeds",
            "cells",
            *(f"{name}.{part}" for name in names for part in parts),
        ]
    )
    for row in rows:
        cells: list[Any] = [row["label"], row["kind"], row["seeds"], row["num_cells"]]
        for name in names:
            value = row["values"].get(name)
            low, high = (value["ci95"] or ("", "")) if value else ("", "")
            cells += [value["mean"], value["std"], low, high] if value else ["", "", "", ""]
        writer.writerow(cells)
    return stream.getvalue()


def front_labels(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the labels on the front of age error and identity error, the smallest age error
    first: no other row is as good in both. A row without an age score above 0, such as a copy of
    the input, ages nothing and is not on the front."""
    points = sorted(
        (row["values"]["age_error"]["mean"], row["values"]["identity_error"]["mean"], row["label"])
        for row in rows
        if {"age_error", "identity_error", "age_score"} <= row["values"].keys()
        and row["values"]["age_score"]["mean"] > 0
    )
    front: list[str] = []
    best = float("inf")
    for _, identity_error, label in points:
        if identity_error < best:
            best = identity_error
            front.append(label)
    return front


def draw_tradeoff(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw age error against identity error, with the front; intervals are over people."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    front = front_labels(rows)
    on_front = {}
    for row in rows:
        if not {"age_error", "identity_error"} <= row["values"].keys():
            continue
        x, y = (row["values"][name] for name in ("age_error", "identity_error"))
        is_baseline = row["kind"] == "baseline"
        color, marker = ("0.55", "s") if is_baseline else ("C0", "o")
        errors = [_interval(one) for one in (x, y)]
        axes.errorbar(
            x["mean"],
            y["mean"],
            xerr=errors[0],
            yerr=errors[1],
            fmt=marker,
            color=color,
            markersize=5,
            linewidth=0.8,
        )
        axes.annotate(
            row["label"],
            (x["mean"], y["mean"]),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=8,
        )
        on_front[row["label"]] = (x["mean"], y["mean"])
    if front:
        xs, ys = zip(*(on_front[label] for label in front), strict=True)
        axes.step(xs, ys, where="post", color="C1", linewidth=1, zorder=0, label="front")
        axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel("age error, years")
    axes.set_ylabel("identity error")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    save_figure(figure, path)


def _interval(value: Mapping[str, Any]) -> list[list[float]] | None:
    """Return the lengths of the error bars below and above a mean."""
    if value["std"] is not None:
        return [[value["std"]], [value["std"]]]
    if not value["ci95"] or None in value["ci95"]:
        return None
    low, high = value["ci95"]
    return [[max(value["mean"] - low, 0.0)], [max(high - value["mean"], 0.0)]]


def fairness_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Return error and acceptance by source group and by attribute as Markdown, for the first seed
    of each method; empty without results of models."""
    lines = []
    for result in results:
        if result["kind"] == "baseline" or result["seed"]:
            continue
        parts = {"source group": result["by_source"], **result["by_attribute"]}
        for attribute, values in parts.items():
            for text, part in values.items():
                numbers = [part["num_images"], part["age_error"], part["age_bias"]]
                numbers += [part["acceptance"], part["acceptance_drift"]]
                cells = ["-" if x is None else f"{x:.3g}" for x in numbers]
                name = _LABELS.get(result["label"], result["label"])
                lines.append("| " + " | ".join([name, attribute, text, *cells]) + " |")
    if not lines:
        return ""
    head = "| method | part | | images | age error | bias | accepted | accepted - real |"
    return "\n".join([head, "|---" * 8 + "|", *lines]) + "\n"
