"""`ganzoo resume`: continue a run."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core.cli import output
from ganzoo_core.cli.openmp import choose_spin_count
from ganzoo_core.cli.options import json_option, quiet_option


@click.command(
    epilog=output.examples("ganzoo resume runs/cgan-1", "ganzoo resume runs/cgan-1 --steps 20000")
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--steps", type=int, metavar="N", help="Total steps of the run; may exceed the previous total."
)
@click.option(
    "--nproc",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Processes on this machine; may differ from the first run.",
)
@json_option
@quiet_option
def resume(folder: Path, steps: int | None, nproc: int, as_json: bool) -> None:
    """Continue RUN from its latest valid checkpoint, bit-exact: as if it had not stopped."""
    choose_spin_count()
    from ganzoo_core import training
    from ganzoo_core.cli.run import launch_ranks, print_run_paths
    from ganzoo_core.training.run_folder import RunFolder

    if nproc > 1:
        train = RunFolder(folder).read_config().get("train", {})
        if launch_ranks(nproc, train.get("batch_size", nproc), train.get("grad_accum_steps", 1)):
            return
    print_run_paths(training.resume(folder, steps, quiet=output.is_quiet()), as_json)
