"""A comparison as a table for a paper: markdown, LaTeX or CSV, one line for each configuration."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from ganzoo_core.evaluation.comparison import EvaluationComparison, MetricRow, SeedSummary

FORMATS = ("markdown", "latex", "csv")
_ARROWS = {
    "markdown": {"higher": " \N{UPWARDS ARROW}", "lower": " \N{DOWNWARDS ARROW}", "": ""},
    "latex": {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "": ""},
}
_LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def format_comparison(comparison: EvaluationComparison, kind: str) -> str:
    """Return a comparison as text that ends with a newline.

    Args:
        comparison: the configurations; their options are the first columns.
        kind: ``markdown``; ``latex`` (a `tabular` with the rules of the package booktabs); or
            ``csv``, with mean, standard deviation and number of seeds in a column each.
    """
    if kind == "csv":
        return _format_csv(comparison)
    return _format_latex(comparison) if kind == "latex" else _format_markdown(comparison)


def summary_text(
    summary: SeedSummary | None, *, plus_minus: str = "+-", star: str = "", with_count: bool = True
) -> str:
    """Return mean and standard deviation over seeds, such as ``12.3 +- 0.4 (5)``; ``-`` for None.

    Args:
        summary: the values.
        plus_minus: the sign between the two numbers.
        star: appended to the number.
        with_count: whether the number of seeds follows, in parentheses.
    """
    if summary is None:
        return "-"
    if summary.std is None:
        error = summary.std_error
        note = f" (error {error:.1g})" if error and with_count else ""
        return f"{summary.mean:.4g}{note}{star}"
    count = f" ({len(summary.values)})" if with_count else ""
    return f"{summary.mean:.4g} {plus_minus} {summary.std:.2g}{count}{star}"


def _option_cells(comparison: EvaluationComparison) -> tuple[list[str], list[list[str]]]:
    """Return the header and the cells of the option columns, and of the number of seeds."""
    has_options = bool(comparison.option_names)
    rows = []
    for one in comparison.configurations:
        values = [*one.options.values()] if has_options else [one.name]
        num_seeds = len(one.seeds) or len(one.runs)
        rows.append(["" if v is None else str(v) for v in (*values, num_seeds)])
    return [*(comparison.option_names if has_options else ["run"]), "seeds"], rows


def _cells(row: MetricRow, plus_minus: str, star: str) -> list[str]:
    return [
        summary_text(
            one, plus_minus=plus_minus, star=star if row.best == i else "", with_count=False
        )
        for i, one in enumerate(row.summaries)
    ]


def _format_markdown(comparison: EvaluationComparison) -> str:
    header, rows = _option_cells(comparison)
    arrows = _ARROWS["markdown"]
    for row in comparison.rows:
        header.append(row.title + arrows[row.better])
        for cells, value in zip(rows, _cells(row, "\N{PLUS-MINUS SIGN}", " \\*"), strict=True):
            cells.append(value)
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        for cells in [header, *rows]
    ]
    lines.insert(1, "|" + " --- |" * len(header))
    notes = [note.replace("*", "\\*", 1) for note in comparison.notes]
    return "\n".join([*lines, *(f"\n{note}" for note in notes)]) + "\n"


def _format_latex(comparison: EvaluationComparison) -> str:
    header, rows = _option_cells(comparison)
    arrows = _ARROWS["latex"]
    columns = [_cells(row, r"$\pm$", r"$^{*}$") for row in comparison.rows]
    titles = [escape_latex(row.title) + arrows[row.better] for row in comparison.rows]
    lines = [
        "% \\usepackage{booktabs}",
        *(f"% {line}" for line in comparison.notes),
        f"\\begin{{tabular}}{{{'l' * len(header)}{'r' * len(titles)}}}",
        "\\toprule",
        " & ".join([*map(escape_latex, header), *titles]) + r" \\",
        "\\midrule",
    ]
    for i, cells in enumerate(rows):
        values = [column[i] for column in columns]
        lines.append(" & ".join([*map(escape_latex, cells), *values]) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _format_csv(comparison: EvaluationComparison) -> str:
    header, rows = _option_cells(comparison)
    for row in comparison.rows:
        name = row.metric if row.name == row.metric else f"{row.metric}.{row.name}"
        header += [f"{name}.{part}" for part in ("mean", "std", "seeds", "is_best")]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for i, cells in enumerate(rows):
        writer.writerow([*cells, *(v for row in comparison.rows for v in _csv_values(row, i))])
    return stream.getvalue()


def _csv_values(row: MetricRow, i: int) -> Sequence[object]:
    summary = row.summaries[i]
    if summary is None:
        return ["", "", 0, ""]
    std = "" if summary.std is None else summary.std
    return [summary.mean, std, len(summary.values), int(row.best == i)]


def escape_latex(text: str) -> str:
    """Return plain text as LaTeX; what cannot be printed is a space."""
    escaped = re.sub(r"[\\~^<>&%$#_{}]", lambda match: _LATEX_ESCAPES[match[0]], text)
    return "".join(c if c.isprintable() else " " for c in escaped)
