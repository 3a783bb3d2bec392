"""`ganzoo run`: train a model and write a run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import completers, output
from ganzoo_core.cli.lookup import print_detected_data
from ganzoo_core.cli.openmp import choose_spin_count
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import locate_weights

if TYPE_CHECKING:
    from ganzoo_core.config import RunConfig
    from ganzoo_core.training import Run

_PRECISIONS = ["auto", "fp32", "bf16", "fp16"]


@click.command(
    epilog=output.examples(
        "ganzoo run cgan",
        "ganzoo run cgan --preset smoke --out runs/first",
        "ganzoo run cgan --data ./photos --size 64 --epochs 20",
        "ganzoo run --config runs/cgan-1/config.toml",
        "ganzoo run sngan --lr 1e-4 --batch-size 32 --set model.d_updates=2",
    )
)
@click.argument("model", required=False, shell_complete=completers.complete_models)
@click.option(
    "--data",
    metavar="NAME[:PATH]|PATH",
    shell_complete=completers.complete_datasets,
    help="A data set and its files, or the path of your own: a folder or tar of images or of class "
    "folders, a table, or parquet files. Default: that of the preset.",
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
    help="A TOML file that overrides the preset; the config.toml of a run needs no MODEL.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="a.b=v",
    shell_complete=completers.complete_assignments,
    help="Override one option of `ganzoo info MODEL`, such as train.seed=1; may be repeated.",
)
@click.option("--epochs", type=float, metavar="N", help="Passes over the data: sets model.epochs.")
@click.option(
    "--batch-size", type=int, metavar="N", help="Images in a batch: sets train.batch_size."
)
@click.option(
    "--lr", type=float, metavar="R", help="Learning rate of every optimizer: sets model.optim*.lr."
)
@click.option(
    "--size", type=int, metavar="S", help="Edge of the images in pixels: sets data.image_size."
)
@click.option("--steps", type=int, metavar="N", help="Total steps; default: those of the preset.")
@click.option(
    "--seed", type=int, metavar="S", help="Seed of weights, noise and batches; default 0."
)
@click.option(
    "--init-from",
    metavar="WEIGHTS",
    shell_complete=completers.complete_stored_models,
    help="Initialize the weights from a run, a pretrained folder or named weights of this model.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="With --init-from: layers that do not fit keep their random weights; else they are an "
    "error.",
)
@click.option(
    "--out",
    type=click.Path(),
    metavar="DIR",
    help="The run folder; default: the next free runs/MODEL-N.",
)
@click.option(
    "--track",
    metavar="T,...",
    help="Log the run to tensorboard, wandb, mlflow or trackio: sets train.track.",
)
@click.option(
    "--metrics",
    metavar="M,...",
    help="Compute metrics at each checkpoint, such as kid: sets train.metrics.",
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
@click.option(
    "--dry-run", is_flag=True, help="Print the stages of the run and their steps; train nothing."
)
@json_option
@quiet_option
def run(
    *,
    model: str | None,
    data: str | None,
    preset: str,
    config_file: str | None,
    assignments: tuple[str, ...],
    epochs: float | None,
    batch_size: int | None,
    lr: float | None,
    size: int | None,
    steps: int | None,
    seed: int | None,
    init_from: str | None,
    partial: bool,
    out: str | None,
    track: str | None,
    metrics: str | None,
    device: str | None,
    precision: str | None,
    compiled: bool,
    nproc: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train MODEL; print the paths of its images, curves and weights."""
    choose_spin_count()
    from ganzoo_core.config import (
        build_config,
        merge,
        parse_assignments,
        parse_data_source,
        read_toml,
    )
    from ganzoo_core.training.empty_folder import check_is_empty

    patches = [read_toml(Path(config_file))] if config_file else []
    stored_model = str(patches[0].get("run", {}).get("model", "")) if patches else ""
    if not model and not stored_model:
        raise UsageError("give a MODEL (`ganzoo list model`), or --config with run.model")
    model = model or stored_model
    # The config.toml of a run holds every option, so no preset completes it.
    is_resolved = bool(patches) and "provenance" in patches[0] and model == stored_model
    if steps is not None and epochs is not None:
        raise UsageError("--steps and --epochs both set the length of the run: give one of them")
    flags = {
        "steps": steps,
        "batch_size": batch_size,
        "seed": seed,
        "init_from": init_from,
        "init_partial": partial or None,
        "track": track,
        "metrics": metrics,
        "device": device,
        "precision": precision,
        "compile": compiled or None,
    }
    flag_options = {"train": {name: value for name, value in flags.items() if value is not None}}
    print_detected_data(data)
    data_options = {} if data is None else {"data": parse_data_source(data)}
    options = merge(merge(data_options, parse_assignments(assignments)), flag_options)
    options = merge(options, _alias_options(model, epochs, lr, size))
    # Validate the options before importing torch, which takes seconds.
    is_resolved = is_resolved and not preset
    config = build_config(
        model, preset=preset, patches=[*patches, options], is_resolved=is_resolved
    )
    if config.train.init_from:
        locate_weights(config.train.init_from)
    # Ranks check it later: one that stops before it joined leaves the others waiting.
    if out is not None and "RANK" not in os.environ:
        check_is_empty(Path(out))
    if dry_run:
        _print_planned_stages(config, as_json)
        return
    if nproc > 1 and launch_ranks(nproc, config.train.batch_size, config.train.grad_accum_steps):
        return
    from ganzoo_core.training.api import train_config

    print_run_paths(train_config(config, out=out, quiet=output.is_quiet()), as_json)


def _print_planned_stages(config: RunConfig, as_json: bool) -> None:
    from ganzoo_core.training.dry_run import planned_stages

    stages = planned_stages(config)
    if as_json:
        output.print_json(stages)
        return
    rows = [
        [
            stage["job"],
            stage["stage"],
            f"{stage['steps']:,}",
            f"{stage['images']:,}",
            " ".join(f"{path}={value}" for path, value in stage["overrides"].items()),
        ]
        for stage in stages
    ]
    totals = [f"{sum(stage[key] for stage in stages):,}" for key in ("steps", "images")]
    header = ("model", "stage", "steps", "images", "options of this stage only")
    output.print_table(header, [*rows, ["total", "", *totals, ""]])


def _alias_options(
    model: str, epochs: float | None, lr: float | None, size: int | None
) -> dict[str, Any]:
    """Return the options that `--epochs`, `--lr` and `--size` stand for.

    Raises:
        UsageError: the model has no such option.
    """
    from ganzoo_core.config.tree import model_config_class
    from ganzoo_core.zoo import zoo

    fields = model_config_class(zoo().model(model)).model_fields
    options: dict[str, Any] = {"model": {}, "data": {}, "train": {}}
    if epochs is not None:
        if "epochs" not in fields:
            raise UsageError(
                f"--epochs: {model} has no option model.epochs: give --steps N, or the length of a "
                f"stage of `ganzoo info {model}` with --set train.STAGE.epochs=N"
            )
        options["model"]["epochs"] = epochs
        options["train"]["steps"] = "none"  # else the steps of a preset would override it
    if lr is not None:
        optimizers = [
            name
            for name, field in fields.items()
            if "lr" in getattr(type(field.default), "model_fields", {})
        ]
        if not optimizers:
            raise UsageError(
                f"--lr: {model} has no option model.optim*.lr: see the options of "
                f"`ganzoo info {model}` and set one with --set"
            )
        options["model"] |= {name: {"lr": lr} for name in optimizers}
    if size is not None:
        options["data"]["image_size"] = size
    return options


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


def print_run_paths(finished_run: Run, as_json: bool) -> None:
    """Print the paths of a run, of a quiet one only the folder; only on rank 0."""
    if os.environ.get("RANK", "0") != "0":
        return
    folder = finished_run.folder
    if output.is_quiet() and not as_json:
        output.print_line(str(folder.path))
        return
    images = sorted(folder.samples.glob("*.png"))
    parts = {
        "run": folder.path,
        "images": images[-1] if images else folder.samples,
        "curves": folder.report / "curves.png",
        "weights": folder.weights,
    }
    parts = {name: path for name, path in parts.items() if path.exists()}
    if as_json:
        facts = {name: str(path) for name, path in parts.items()}
        output.print_json({**facts, "steps": finished_run.steps})
        return
    for name, path in parts.items():
        output.print_line(f"{name:<10}{path}")
