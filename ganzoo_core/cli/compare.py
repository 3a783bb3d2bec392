"""`ganzoo compare`: evaluations side by side; only values with equal settings are ranked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo_core.cli import output
from ganzoo_core.cli.options import json_option
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from ganzoo_core.evaluation.comparison import EvaluationComparison

_SHA256_HEX_LENGTH = 64


@click.command(epilog=output.examples("ganzoo compare runs/cgan-1 runs/sngan-1"))
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="A B ...")
@json_option
def compare(folders: tuple[Path, ...], as_json: bool) -> None:
    """Compare the evaluations of runs; the best of each value is marked with *.

    Metrics whose settings differ are not ranked, and the exit code is 3.
    """
    from ganzoo_core.evaluation.comparison import compare_evaluations

    comparison = compare_evaluations(folders)
    if as_json:
        output.print_json(comparison.to_json())
    else:
        _print_comparison(comparison)
    if comparison.setting_differences:
        names = sorted({name for one in comparison.setting_differences.values() for name in one})
        raise DataError(
            f"not ranked: the settings of {', '.join(comparison.setting_differences)} differ "
            f"({', '.join(names)}): evaluate with equal settings"
        )


def _print_comparison(comparison: EvaluationComparison) -> None:
    """Print one row for each value and one column for each evaluation."""
    rows = []
    for row in comparison.rows:
        cells = []
        for i, (value, error) in enumerate(zip(row.values, row.std_errors, strict=True)):
            text = "-" if value is None else f"{value:.4g}"
            text += "" if error is None else f" +- {error:.1g}"
            cells.append(f"{text} *" if row.best == i else text)
        cells += ["-" if value is None else f"{value:.4g}" for value in row.baseline_values]
        rows.append((row.metric, row.name.replace("_", " "), row.better, *cells))
    output.print_table(
        ("metric", "name", "better"),
        rows,
        extra_columns=(*comparison.names, *comparison.baselines),
    )
    metrics_by_difference: dict[str, list[str]] = {}
    for metric, fields in comparison.setting_differences.items():
        for field, values in fields.items():
            differing_values = ", ".join(map(_abbreviate, values))
            metrics_by_difference.setdefault(f"{field} differs: {differing_values}", []).append(
                metric
            )
    for text, metrics in metrics_by_difference.items():
        output.print_stderr(f"{', '.join(metrics)}: {text}")


def _abbreviate(value: object) -> str:
    """Return a setting in short; of a sha256 the first 12 digits."""
    text = str(value)
    return f"{text[:12]}..." if len(text) == _SHA256_HEX_LENGTH else text[:40]
