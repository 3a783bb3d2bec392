"""`ganzoo run`: train a model into a new run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import complete, output

if TYPE_CHECKING:
    from ganzoo_core.runs import Run

PRECISIONS = ["auto", "fp32", "bf16", "fp16"]


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.option(
    "--data",
    metavar="NAME[:PATH]",
    shell_complete=complete.datasets,
    help="Data set, and where it lies; default: the preset's.",
)
@click.option(
    "--preset",
    default="",
    metavar="P",
    shell_complete=complete.presets,
    help="tiny (seconds), quick (the default), or see `ganzoo info MODEL`.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(),
    metavar="FILE",
    help="A TOML file laid over the preset.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="a.b=v",
    help="An option laid over all, such as train.batch=32; may be repeated.",
)
@click.option("--steps", type=int, metavar="N", help="Rounds in all, in place of the preset's.")
@click.option("--seed", type=int, metavar="S", help="Of weights, noise and order; default 0.")
@click.option(
    "--init",
    type=click.Path(),
    metavar="DIR",
    help="A run or weights of this model to begin with, not new ones.",
)
@click.option(
    "--out",
    type=click.Path(),
    metavar="DIR",
    help="The run folder; default: the next free runs/MODEL-N.",
)
@click.option("--device", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--precision", type=click.Choice(PRECISIONS), help="Of forward and backward passes.")
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Compile plain passes with torch.compile; pays in long runs.",
)
@click.option(
    "--nproc",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Processes on this machine, one a GPU; see docs/scaling.md.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but the run folder.")
def run(
    *,
    model: str,
    data: str | None,
    preset: str,
    config_file: str | None,
    assignments: tuple[str, ...],
    steps: int | None,
    seed: int | None,
    init: str | None,
    out: str | None,
    device: str | None,
    precision: str | None,
    compiled: bool,
    nproc: int,
    quiet: bool,
) -> None:
    """Train MODEL, and say where its pictures, curves and weights lie."""
    from ganzoo_core.config import assign, build, merge, read_toml

    flags = {
        "steps": steps,
        "seed": seed,
        "init": init,
        "device": device,
        "precision": precision,
        "compile": compiled or None,
    }
    given = {"train": {name: value for name, value in flags.items() if value is not None}}
    options = merge(merge(named(data), assign(assignments)), given)
    # Spelling mistakes are answered before torch is imported, which takes seconds.
    patches = [read_toml(Path(config_file))] if config_file else []
    tree = build(model, preset=preset, patches=[*patches, options])
    if nproc > 1 and spread(nproc, tree.train.batch, tree.train.accumulate):
        return
    from ganzoo_core.runs import train

    done = train(
        model, preset=preset, config_file=config_file, options=options, out=out, quiet=quiet
    )
    tell(done, quiet)


def named(data: str | None) -> dict[str, Any]:
    """Turn ``NAME[:PATH]`` into a patch of the tree."""
    if data is None:
        return {}
    name, _, path = data.partition(":")
    return {"data": {"name": name, "path": path}}


def spread(nproc: int, batch: int, accumulate: int) -> bool:
    """Run this very command as so many ranks; False in a rank, which is to do the work itself.

    Raises:
        UsageError: the batch does not divide among them.
    """
    if "RANK" in os.environ:
        return False
    from ganzoo_core.engine.world import World
    from ganzoo_core.runs.launch import launch

    World(size=nproc).parts(batch, accumulate)
    launch(nproc, click.get_current_context().obj)
    return True


def tell(done: Run, quiet: bool) -> None:
    """Print where the parts of a run lie; of many ranks the first does."""
    if os.environ.get("RANK", "0") != "0":
        return
    folder = done.folder
    if quiet:
        output.out(str(folder.path))
        return
    pictures = sorted(folder.samples.glob("*.png"))
    parts = {
        "run": folder.path,
        "pictures": pictures[-1] if pictures else folder.samples,
        "curves": folder.report / "curves.png",
        "weights": folder.weights,
    }
    for name, path in parts.items():
        if path.exists():
            output.out(f"{name:<10}{path}")
