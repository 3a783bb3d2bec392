"""`ganzoo evaluate`: figures of a model, each with what they were measured by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo_core.cli import complete, output
from ganzoo_core.errors import UsageError

if TYPE_CHECKING:
    from ganzoo_core.runs.evaluation import Evaluation


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN_OR_BUNDLE")
@click.option("--data", metavar="NAME[:PATH]", shell_complete=complete.datasets,
              help="Real images; default: those of the run.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="data.x=v",
              help="An option of the data set; may be repeated.")  # fmt: skip
@click.option("--metrics", default="", metavar="A,B,...", shell_complete=complete.metrics,
              help="See `ganzoo list metrics`; default: all that the data allow.")  # fmt: skip
@click.option("-n", "count", type=click.IntRange(1), default=5000, show_default=True, metavar="N",
              help="Samples, and real images at most.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, metavar="S",
              help="The same seed draws the same samples.")  # fmt: skip
@click.option("--features", default="", metavar="FILE|DIR",
              help="Feature network: Inception weights, or the folder of a model that embeds; "
              "default: a classifier trained on the data.")  # fmt: skip
@click.option("--reference", type=click.Choice(["test", "train"]), default="test",
              help="Real images that samples are compared with; default: held out.")  # fmt: skip
@click.option("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Folder of evaluation.json; default: a run's report/.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def evaluate(
    *, folder: Path, data: str | None, assignments: tuple[str, ...], metrics: str, count: int,
    seed: int, features: str, reference: str, device: str, out: Path | None, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Measure the samples of a run or a bundle against real images."""
    from ganzoo_core.config import assign
    from ganzoo_core.zoo import zoo

    tree = assign(assignments)
    if strange := sorted(set(tree) - {"data"}):
        raise UsageError(f"--set {strange[0]}...: here only options of data, such as data.split")
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    for name in names:  # a misspelt one is answered before torch is imported
        zoo().metric(name)
    from ganzoo_core.runs.evaluation import evaluate as measure

    found = measure(
        folder, data=data, options=tree.get("data", {}), metrics=names, n=count, seed=seed,
        features=features, reference=reference,  # type: ignore[arg-type]
        device=device, out=out, quiet=quiet,
    )  # fmt: skip
    if as_json:
        output.out_json(found.to_json())
        return
    show(found)


def show(found: Evaluation) -> None:
    """Print the figures, then why metrics are missing, and where the file lies."""
    rows = [
        (metric, name.replace("_", " "), f"{figure.value:.4g}",
         "" if figure.error is None else f"+- {figure.error:.2g}", figure.better)
        for metric, figures in found.results.items()
        for name, figure in figures.items()
    ]  # fmt: skip
    output.table(("metric", "figure", "value", "error", "better"), rows)
    for metric, why in found.skipped.items():
        output.note(why if why.startswith(metric) else f"{metric}: {why}")
    for text in found.notes:
        output.note(f"note: {text}")
    if found.path:
        output.note(f"written to {found.path}")
