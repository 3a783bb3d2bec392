"""`ganzoo run`: train a model and write a run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo_core.cli import completers, output

if TYPE_CHECKING:
    from ganzoo_core.training import Run

_PRECISIONS = ["auto", "fp32", "bf16", "fp16"]


@click.command()
@click.argument("model", shell_complete=completers.complete_models)
@click.option(
    "--data",
    metavar="NAME[:PATH]",
    shell_complete=completers.complete_datasets,
    help="Data set and its files; default: that of the preset.",
)
@click.option(
    "--preset",
    default="",
    metavar="P",
    shell_complete=completers.complete_presets,
    help="smoke (seconds), quick (the default), or one of `ganzoo info MODEL`.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(),
    metavar="FILE",
    help="A TOML file that overrides the preset.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="a.b=v",
    help="Override one option, such as train.batch_size=32; may be repeated.",
)
@click.option("--steps", type=int, metavar="N", help="Total steps; default: those of the preset.")
@click.option(
    "--seed", type=int, metavar="S", help="Seed of weights, noise and batches; default 0."
)
@click.option(
    "--init-from",
    type=click.Path(),
    metavar="DIR",
    help="Initialize the weights from a run or pretrained folder of this model.",
)
@click.option(
    "--out",
    type=click.Path(),
    metavar="DIR",
    help="The run folder; default: the next free runs/MODEL-N.",
)
@click.option("--device", metavar="D", help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--precision", type=click.Choice(_PRECISIONS), help="Precision of forward and backward passes."
)
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Use torch.compile; only worth it for long runs.",
)
@click.option(
    "--nproc",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Processes on this machine, one for each GPU; see docs/how-to/scaling.md.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only the run folder.")
def run(
    *,
    model: str,
    data: str | None,
    preset: str,
    config_file: str | None,
    assignments: tuple[str, ...],
    steps: int | None,
    seed: int | None,
    init_from: str | None,
    out: str | None,
    device: str | None,
    precision: str | None,
    compiled: bool,
    nproc: int,
    quiet: bool,
) -> None:
    """Train MODEL; print the paths of its images, curves and weights."""
    from ganzoo_core.config import (
        build_config,
        merge,
        parse_assignments,
        parse_data_source,
        read_toml,
    )

    flags = {
        "steps": steps,
        "seed": seed,
        "init_from": init_from,
        "device": device,
        "precision": precision,
        "compile": compiled or None,
    }
    flag_options = {"train": {name: value for name, value in flags.items() if value is not None}}
    data_options = {} if data is None else {"data": parse_data_source(data)}
    options = merge(merge(data_options, parse_assignments(assignments)), flag_options)
    # Validate the options before importing torch, which takes seconds.
    patches = [read_toml(Path(config_file))] if config_file else []
    config = build_config(model, preset=preset, patches=[*patches, options])
    if nproc > 1 and launch_ranks(nproc, config.train.batch_size, config.train.grad_accum_steps):
        return
    from ganzoo_core.training.api import train_config

    print_run_paths(train_config(config, out=out, quiet=quiet), quiet)


def launch_ranks(nproc: int, batch_size: int, grad_accum_steps: int) -> bool:
    """Run this command in `nproc` processes. Returns False in such a process, which then trains.

    Raises:
        UsageError: the batch size is not divisible by the number of processes.
    """
    if "RANK" in os.environ:
        return False
    from ganzoo_core.engine.world import World
    from ganzoo_core.training.distributed_launch import launch_distributed

    World(size=nproc).num_shards(batch_size, grad_accum_steps)
    launch_distributed(nproc, click.get_current_context().obj)
    return True


def print_run_paths(finished_run: Run, quiet: bool) -> None:
    """Print the paths of a run; only on rank 0."""
    if os.environ.get("RANK", "0") != "0":
        return
    folder = finished_run.folder
    if quiet:
        output.print_line(str(folder.path))
        return
    images = sorted(folder.samples.glob("*.png"))
    parts = {
        "run": folder.path,
        "images": images[-1] if images else folder.samples,
        "curves": folder.report / "curves.png",
        "weights": folder.weights,
    }
    for name, path in parts.items():
        if path.exists():
            output.print_line(f"{name:<10}{path}")
