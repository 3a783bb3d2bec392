"""`ganzoo evaluate`: the metrics of a model, with their settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ganzoo_core.cli import completers, output, stored_model
from ganzoo_core.cli.openmp import choose_spin_count
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import MetricOption, zoo

if TYPE_CHECKING:
    from ganzoo_core.evaluation.api import Evaluation
    from ganzoo_core.metrics.metric_value import MetricValue


class _EvaluateCommand(click.Command):
    """`ganzoo evaluate` with the options that the metrics of plugins add."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the core's options, with those of metrics before `--device`."""
        params = super().get_params(ctx)
        taken = {flag for param in params for flag in param.opts}
        added = [_click_option(o) for o in metric_options() if o.flag not in taken]
        at = next(i for i, param in enumerate(params) if param.name == "device")
        return [*params[:at], *added, *params[at:]]


def metric_options() -> list[MetricOption]:
    """Return the options of all installed metrics; of several with one name, the first."""
    options: dict[str, MetricOption] = {}
    for name in zoo().names("metric"):
        for option in zoo().metric(name).options:
            options.setdefault(option.name, option)
    return list(options.values())


def _click_option(option: MetricOption) -> click.Option:
    has_choices = bool(option.choices)
    return click.Option(
        [option.flag, option.name],
        type=click.Choice(option.choices) if has_choices else str,
        default=() if option.multiple else option.default,
        show_default=has_choices,
        multiple=option.multiple,
        metavar=None if has_choices else option.metavar,
        help=output.to_printable(option.help),
        shell_complete=completers.complete_datasets if option.completes == "dataset" else None,
    )


@click.command(
    cls=_EvaluateCommand,
    epilog=output.examples(
        "ganzoo evaluate runs/cgan-1",
        "ganzoo evaluate runs/cgan-1 --metrics fid,prdc -n 2000 --json",
    ),
)
@click.argument(
    "folder",
    required=False,
    metavar="RUN_OR_WEIGHTS",
    shell_complete=completers.complete_stored_models,
)
@click.option(
    "--data",
    metavar="NAME[:PATH]",
    shell_complete=completers.complete_datasets,
    help="Real images; default: those of the training, if the run or the weights record them.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="data.x=v",
    shell_complete=completers.complete_assignments,
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
    help="Number of samples, and of real images at most (5,000).",
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
    metavar="inception|FILE|DIR",
    help="inception: the standard network, whose values alone are named fid. Or a file of "
    "Inception weights, or a model with the capability embed; default: a classifier trained on the "
    "data.",
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
    help="Compute the metrics that have baselines on these, without a model.",
)
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of evaluation.json; default: report/ of the run.",
)
@json_option
@quiet_option
def evaluate(
    *,
    folder: str | None,
    assignments: tuple[str, ...],
    metrics: str,
    baselines_only: bool,
    reference: Literal["test", "train"],
    as_json: bool,
    num_samples: int | None,
    **options: Any,
) -> None:
    """Evaluate a run or pretrained weights: samples against real images, and the model itself.

    A run that trains or was stopped is evaluated at its newest checkpoint. The output, with --json
    too, has the metrics of this call; evaluation.json, its path, also keeps the values of other
    metrics of the same weights.
    """
    choose_spin_count()
    from ganzoo_core.config import parse_assignments

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
    given_options = {
        option.name: (option, value)
        for option in metric_options()
        if (value := options.pop(option.name, None)) not in {None, (), option.default}
    }
    path = None if folder is None else stored_model.find_weights(folder)
    if path is not None:
        output.print_unfinished(path)
    from ganzoo_core.evaluation import api as evaluation

    options |= {
        "metrics": names,
        "quiet": output.is_quiet(),
        "num_samples": num_samples,
        "data_options": tree.get("data", {}),
        "metric_options": {
            name: evaluation.parse_option(*given) for name, given in given_options.items()
        },
    }
    if path is None:
        if not options.get("data"):
            raise UsageError("--baselines needs data: give --data NAME[:PATH]")
        result = evaluation.evaluate_baselines(**options)
    else:
        result = evaluation.evaluate(path, reference=reference, **options)
    if as_json:
        written = str(result.path) if result.path else None
        output.print_json({**result.to_json(), "path": written})
        return
    _print_evaluation(result)


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
        _print_side_by_side(values_by_method, zoo().metric(metric).breakdowns)
    for metric, reason in evaluation.skipped.items():
        output.print_stderr(reason if reason.startswith(metric) else f"{metric}: {reason}")
    for text in evaluation.notes:
        output.print_stderr(f"note: {text}")
    if evaluation.path:
        output.print_note(f"written to {evaluation.path}")


def _print_side_by_side(
    values_by_method: dict[str, dict[str, MetricValue]], breakdowns: Mapping[str, str]
) -> None:
    """Print values with their intervals, one column for each method.

    Args:
        values_by_method: name -> value of each method.
        breakdowns: of the metric, see `MetricSpec`.
    """
    names = dict.fromkeys(name for values in values_by_method.values() for name in values)
    rows = []
    for name in names:
        values = [one.get(name) for one in values_by_method.values()]
        better = next(value.better for value in values if value)
        cells = ["" if v is None else _format_interval(v.value, v.ci95) for v in values]
        rows.append((name.replace("_", " "), better, *cells))
        if name not in breakdowns:
            continue
        for part in dict.fromkeys(part for v in values if v for part in v.breakdown):
            cells = [
                _format_interval(v.breakdown[part], v.breakdown_ci95.get(part))
                if v and part in v.breakdown
                else ""
                for v in values
            ]
            rows.append((f"  {breakdowns[name]}{part}", "", *cells))
    output.print_table(("name", "better", *values_by_method), rows)


def _format_interval(value: float, interval: tuple[float, float] | None) -> str:
    text = f"{value:.3g}"
    return text if interval is None else f"{text} ({interval[0]:.3g} to {interval[1]:.3g})"
