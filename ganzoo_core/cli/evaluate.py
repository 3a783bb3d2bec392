"""`ganzoo evaluate`: the metrics of a model, with their settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ganzoo_core.cli import completers, output
from ganzoo_core.cli.data import parse_age_bins
from ganzoo_core.errors import UsageError

if TYPE_CHECKING:
    from ganzoo_core.evaluation.api import Evaluation
    from ganzoo_core.metrics.metric_value import MetricValue

_VALUES_WITH_BREAKDOWN = {
    "estimated_age",
    "group_accuracy",
    "tar_far_0.01",
    "identity_cosine",
    "kid",
}
"""Values of the aging benchmark that the table shows by group too; JSON has all breakdowns."""


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="RUN_OR_WEIGHTS")
@click.option(
    "--data",
    metavar="NAME[:PATH]",
    shell_complete=completers.complete_datasets,
    help="Real images; default: those of the run.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="data.x=v",
    help="An option of the data set; may be repeated.",
)
@click.option(
    "--metrics",
    default="",
    metavar="A,B,...",
    shell_complete=completers.complete_metrics,
    help="See `ganzoo list metrics`; default: all that the model and the data allow.",
)
@click.option(
    "-n",
    "num_samples",
    type=click.IntRange(1),
    metavar="N",
    help="Number of samples, and of real images at most (5,000); faces to age (500).",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    metavar="S",
    help="Seed of the samples.",
)
@click.option(
    "--feature-extractor",
    default="",
    metavar="FILE|DIR",
    help="Inception weights, or the folder of a model with the capability embed; "
    "default: a classifier trained on the data.",
)
@click.option(
    "--reference",
    type=click.Choice(["test", "train"]),
    default="test",
    show_default=True,
    help="The split that samples are compared with.",
)
@click.option(
    "--baselines",
    "baselines_only",
    is_flag=True,
    help="Run the aging benchmark on its baselines, without a model.",
)
@click.option(
    "--age-bins",
    default="report",
    metavar="NAME|A,B,...",
    help="Age groups of --baselines: report, pfa-4, pfa-5, pfa-7, or upper edges in years.",
)
@click.option(
    "--evaluator",
    "evaluator_args",
    multiple=True,
    metavar="ROLE=DIR",
    help="Held-out evaluator of age or identity, for the metric aging; default: a shipped one.",
)
@click.option(
    "--calibration",
    default="",
    metavar="NAME[:PATH]",
    shell_complete=completers.complete_datasets,
    help="Data for the thresholds of the true accept rates, for the metric aging on data "
    "without identities.",
)
@click.option(
    "--direction",
    type=click.Choice(["all", "older", "younger"]),
    default="all",
    show_default=True,
    help="Target groups relative to the source group, for the metric aging.",
)
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of evaluation.json; default: report/ of the run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def evaluate(
    *,
    folder: Path | None,
    assignments: tuple[str, ...],
    metrics: str,
    evaluator_args: tuple[str, ...],
    baselines_only: bool,
    age_bins: str,
    reference: Literal["test", "train"],
    as_json: bool,
    num_samples: int | None,
    **options: Any,
) -> None:
    """Evaluate a run or pretrained weights: samples against real images, and aged faces."""
    from ganzoo_core.config import parse_assignments
    from ganzoo_core.zoo import zoo

    if (folder is None) != baselines_only:
        raise UsageError("give a run or a folder of weights, or --baselines without one")
    tree = parse_assignments(assignments)
    if unknown_sections := sorted(set(tree) - {"data"}):
        raise UsageError(
            f"--set {unknown_sections[0]}...: only data options are allowed, such as data.split"
        )
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    for name in names:  # before the slow import of torch
        zoo().metric(name)
    edges = parse_age_bins(age_bins).upper_edges
    options |= {
        "data_options": tree.get("data", {}),
        "evaluators": parse_evaluators(evaluator_args),
    }
    from ganzoo_core.evaluation import api as evaluation

    if folder is None:
        if not options.get("data"):
            raise UsageError("--baselines needs data: give --data NAME[:PATH]")
        result = evaluation.evaluate_baselines(age_bins=edges, num_faces=num_samples, **options)
    else:
        result = evaluation.evaluate(
            folder, metrics=names, reference=reference, num_samples=num_samples, **options
        )
    if as_json:
        output.print_json(result.to_json())
        return
    _print_evaluation(result)


def parse_evaluators(evaluator_args: tuple[str, ...]) -> dict[str, str]:
    """Return folders by role from ROLE=DIR."""
    paths = {}
    for text in evaluator_args:
        role, equals, path = text.partition("=")
        if role not in {"age", "identity"} or not equals or not path:
            raise UsageError(f"--evaluator {text}: give age=DIR or identity=DIR")
        paths[role] = path
    return paths


def _print_evaluation(evaluation: Evaluation) -> None:
    """Print the values, the metrics that do not apply, the notes and the path."""
    rows = [
        (
            metric,
            name.replace("_", " "),
            f"{value.value:.4g}",
            "" if value.std_error is None else f"+- {value.std_error:.2g}",
            value.better,
        )
        for metric, values in evaluation.results.items()
        if metric not in evaluation.baselines
        for name, value in values.items()
    ]
    if rows:
        output.print_table(("metric", "name", "value", "error", "better"), rows)
    for metric, baseline_values in evaluation.baselines.items():
        values_by_method = dict(baseline_values)
        if model_values := evaluation.results[metric]:
            values_by_method = {evaluation.model.split(" (")[0]: model_values, **baseline_values}
        _print_side_by_side(values_by_method)
    for metric, reason in evaluation.skipped.items():
        output.print_stderr(reason if reason.startswith(metric) else f"{metric}: {reason}")
    for text in evaluation.notes:
        output.print_stderr(f"note: {text}")
    if evaluation.path:
        output.print_stderr(f"written to {evaluation.path}")


def _print_side_by_side(values_by_method: dict[str, dict[str, MetricValue]]) -> None:
    """Print values with their intervals, one column for each method."""
    names = dict.fromkeys(name for values in values_by_method.values() for name in values)
    rows = []
    for name in names:
        values = [one.get(name) for one in values_by_method.values()]
        better = next(value.better for value in values if value)
        cells = ["" if v is None else _format_interval(v.value, v.ci95) for v in values]
        rows.append((name.replace("_", " "), better, *cells))
        if name not in _VALUES_WITH_BREAKDOWN:
            continue
        for part in dict.fromkeys(part for v in values if v for part in v.breakdown):
            cells = [
                _format_interval(v.breakdown[part], v.breakdown_ci95.get(part))
                if v and part in v.breakdown
                else ""
                for v in values
            ]
            rows.append((f"  {'gap ' if part.isdigit() else ''}{part}", "", *cells))
    output.print_table(("name", "better", *values_by_method), rows)


def _format_interval(value: float, interval: tuple[float, float] | None) -> str:
    text = f"{value:.3g}"
    return text if interval is None else f"{text} ({interval[0]:.3g} to {interval[1]:.3g})"
