"""`ganzoo evaluate`: figures of a model, each with what they were measured by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import complete, output
from ganzoo_core.cli.data import age_groups
from ganzoo_core.errors import UsageError

if TYPE_CHECKING:
    from ganzoo_core.metrics.figures import Figure
    from ganzoo_core.runs.evaluation import Evaluation

BY_PART = {"estimated_age", "group_accuracy", "tar_far_0.01", "cosine", "kid"}
"""Figures of the ageing protocol whose parts the table shows as well; JSON has all."""


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="RUN_OR_BUNDLE")
@click.option(
    "--data",
    metavar="NAME[:PATH]",
    shell_complete=complete.datasets,
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
    shell_complete=complete.metrics,
    help="See `ganzoo list metrics`; default: all that model and data allow.",
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1),
    metavar="N",
    help="Samples, and real images at most (5,000); faces to age (500).",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    metavar="S",
    help="The same seed draws the same samples.",
)
@click.option(
    "--features",
    default="",
    metavar="FILE|DIR",
    help="Feature network: Inception weights, or the folder of a model that embeds; "
    "default: a classifier trained on the data.",
)
@click.option(
    "--reference",
    type=click.Choice(["test", "train"]),
    default="test",
    help="Real images that samples are compared with; default: held out.",
)
@click.option(
    "--baselines", is_flag=True, help="Without a model: the ageing protocol on its baselines alone."
)
@click.option(
    "--groups",
    default="report",
    metavar="NAME|A,B,...",
    help="Age groups of --baselines: report, pfa-4, pfa-5, pfa-7, or upper edges.",
)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="ROLE=DIR",
    help="Held-out judge of identity or age, for ageing; default: a shipped one.",
)
@click.option(
    "--calibration",
    default="",
    metavar="NAME[:PATH]",
    shell_complete=complete.datasets,
    help="Data whose people give the thresholds of the true accept rates, for ageing on "
    "data that name nobody.",
)
@click.option(
    "--towards",
    type=click.Choice(["all", "older", "younger"]),
    default="all",
    help="Ages asked for, seen from each face: to compare with a model that only goes one way.",
)
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of evaluation.json; default: a run's report/.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def evaluate(
    *,
    folder: Path | None,
    assignments: tuple[str, ...],
    metrics: str,
    judges: tuple[str, ...],
    baselines: bool,
    groups: str,
    reference: str,
    as_json: bool,
    count: int | None,
    **how: Any,
) -> None:
    """Measure a run or a bundle: its samples against real images, and how it ages faces."""
    from ganzoo_core.config import assign
    from ganzoo_core.zoo import zoo

    if (folder is None) != baselines:
        raise UsageError("give a run or a folder of weights, or --baselines without one")
    tree = assign(assignments)
    if strange := sorted(set(tree) - {"data"}):
        raise UsageError(f"--set {strange[0]}...: here only options of data, such as data.split")
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    for name in names:  # a misspelt one is answered before torch is imported
        zoo().metric(name)
    edges = age_groups(groups).edges
    how |= {"options": tree.get("data", {}), "n": count, "judges": roles(judges)}
    from ganzoo_core.runs import evaluation

    if folder is None:
        if not how.get("data"):
            raise UsageError("--baselines: on which data? Give --data NAME[:PATH]")
        found = evaluation.baselines(groups=edges, **how)
    else:
        found = evaluation.evaluate(folder, metrics=names, reference=reference, **how)  # type: ignore[arg-type]
    if as_json:
        output.out_json(found.to_json())
        return
    show(found)


def roles(judges: tuple[str, ...]) -> dict[str, str]:
    """Read ROLE=DIR."""
    found = {}
    for text in judges:
        role, equals, where = text.partition("=")
        if role not in {"age", "identity"} or not equals or not where:
            raise UsageError(f"--judge {text}: give age=DIR or identity=DIR")
        found[role] = where
    return found


def show(found: Evaluation) -> None:
    """Print the figures, then why metrics are missing, and where the file lies."""
    rows = [
        (
            metric,
            name.replace("_", " "),
            f"{figure.value:.4g}",
            "" if figure.error is None else f"+- {figure.error:.2g}",
            figure.better,
        )
        for metric, figures in found.results.items()
        if metric not in found.baselines
        for name, figure in figures.items()
    ]
    if rows:
        output.table(("metric", "figure", "value", "error", "better"), rows)
    for metric, others in found.baselines.items():
        mine = found.results[metric]
        show_beside({**({found.model.split(" (")[0]: mine} if mine else {}), **others})
    for metric, why in found.skipped.items():
        output.note(why if why.startswith(metric) else f"{metric}: {why}")
    for text in found.notes:
        output.note(f"note: {text}")
    if found.path:
        output.note(f"written to {found.path}")


def show_beside(columns: dict[str, dict[str, Figure]]) -> None:
    """Print figures with their intervals, a column for each who was measured."""
    names = dict.fromkeys(name for figures in columns.values() for name in figures)
    rows = []
    for name in names:
        found = [figures.get(name) for figures in columns.values()]
        better = next(figure.better for figure in found if figure)
        cells = ["" if f is None else cell(f.value, f.interval) for f in found]
        rows.append((name.replace("_", " "), better, *cells))
        parts = dict.fromkeys(p for f in found if f for p in f.parts) if name in BY_PART else ()
        for part in parts:
            cells = [
                cell(f.parts[part], f.part_intervals.get(part)) if f and part in f.parts else ""
                for f in found
            ]
            rows.append((f"  {'gap ' if part.isdigit() else ''}{part}", "", *cells))
    output.table(("figure", "better", *columns), rows)


def cell(value: float, interval: tuple[float, float] | None) -> str:
    """Return a value and its interval in short."""
    text = f"{value:.3g}"
    return text if interval is None else f"{text} ({interval[0]:.3g} to {interval[1]:.3g})"
