"""`ganzoo compare`: configurations side by side, with the spread over their seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo_core.cli import completers, output
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import DataError, UsageError

if TYPE_CHECKING:
    from ganzoo_core.evaluation.comparison import EvaluationComparison

_SHA256_HEX_LENGTH = 64


@click.command(
    epilog=output.examples(
        "ganzoo compare runs/cgan-1 runs/sngan-1",
        "ganzoo compare sweeps/losses/runs/* --by model.loss.kind --format latex",
        "ganzoo compare runs/* --metrics kid,prdc --figure kid.pdf",
    )
)
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="A B ...")
@click.option(
    "--by",
    multiple=True,
    metavar="OPTION",
    help="Group the runs by this option alone, such as model.loss.kind; may be repeated. "
    "Default: by all options but the seed.",
)
@click.option(
    "--metrics",
    default="",
    metavar="A,B,...",
    shell_complete=completers.complete_metrics,
    help="Metrics or single values, such as kid,precision; default: all.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["table", "markdown", "latex", "csv", "json"]),
    default="table",
    show_default=True,
    help="The options in which the runs differ are columns of markdown, latex and csv.",
)
@click.option(
    "--figure",
    "figures",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE.pdf|svg|png",
    help="Draw the values too; may be repeated.",
)
@click.option(
    "--curve",
    default="",
    metavar="KEY",
    help="Draw this key of metrics.jsonl over the images seen in --figure, with a band over seeds.",
)
@json_option
@quiet_option
def compare(
    *,
    folders: tuple[Path, ...],
    by: tuple[str, ...],
    metrics: str,
    format_name: str,
    figures: tuple[Path, ...],
    curve: str,
    as_json: bool,
) -> None:
    """Compare the evaluations of runs: mean and standard deviation over the seeds of each
    configuration.

    Marks a configuration with * if it is better than every other one by a test over seeds. Metrics
    whose settings differ are not compared, and the exit code is 3.
    """
    from ganzoo_core.evaluation.comparison import compare_evaluations

    if curve and not figures:
        raise UsageError("--curve needs --figure FILE.pdf")
    if figures:
        from ganzoo_core.evaluation.comparison_figure import check_figure_path

        for path in figures:
            check_figure_path(path)
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    comparison = compare_evaluations(folders, by=by, metrics=names)
    for reason in comparison.skipped.values():
        output.print_stderr(f"skipped: {reason}")
    if as_json or format_name == "json":
        output.print_json(comparison.to_json())
    elif format_name == "table":
        _print_comparison(comparison)
    else:
        from ganzoo_core.evaluation.comparison_table import format_comparison

        output.print_line(format_comparison(comparison, format_name).rstrip("\n"))
    _print_setting_differences(comparison)
    if figures:
        from ganzoo_core.evaluation.comparison_figure import draw_comparison, draw_seed_curves

        for path in figures:
            if curve:
                draw_seed_curves(comparison, curve, path)
            else:
                draw_comparison(comparison, path)
    if comparison.setting_differences:
        names = sorted({name for one in comparison.setting_differences.values() for name in one})
        raise DataError(
            f"not compared: the settings of {', '.join(comparison.setting_differences)} differ "
            f"({', '.join(names)}): evaluate with equal settings"
        )


def _print_comparison(comparison: EvaluationComparison) -> None:
    """Print one row for each value and one column for each configuration."""
    from ganzoo_core.evaluation.comparison_table import summary_text

    rows = []
    for row in comparison.rows:
        cells = [
            summary_text(one, star=" *" if row.best == i else "")
            for i, one in enumerate(row.summaries)
        ]
        cells += ["-" if value is None else f"{value:.4g}" for value in row.baseline_values]
        rows.append((row.metric, row.name.replace("_", " "), row.better, *cells))
    names = [one.name for one in comparison.configurations]
    output.print_table(
        ("metric", "name", "better"), rows, extra_columns=(*names, *comparison.baselines)
    )
    if any(s is not None and s.std is not None for row in comparison.rows for s in row.summaries):
        output.print_line("mean +- standard deviation over seeds (number of seeds)")
    for note in comparison.notes:
        output.print_line(note)


def _print_setting_differences(comparison: EvaluationComparison) -> None:
    metrics_by_difference: dict[str, list[str]] = {}
    for metric, fields in comparison.setting_differences.items():
        for field, values in fields.items():
            differing_values = ", ".join(dict.fromkeys(map(_abbreviate, values)))
            metrics_by_difference.setdefault(f"{field} differs: {differing_values}", []).append(
                metric
            )
    for text, metrics in metrics_by_difference.items():
        output.print_stderr(f"{', '.join(metrics)}: {text}")


def _abbreviate(value: object) -> str:
    """Return a setting in short; of a sha256 the first 12 digits."""
    text = str(value)
    return f"{text[:12]}..." if len(text) == _SHA256_HEX_LENGTH else text[:40]
