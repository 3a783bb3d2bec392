"""`ganzoo resume`: continue a run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--steps", type=int, metavar="N", help="Rounds of the run in all; may exceed the old number."
)
@click.option(
    "--nproc",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Processes on this machine; may differ from before.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but the run folder.")
def resume(folder: Path, steps: int | None, nproc: int, quiet: bool) -> None:
    """Continue RUN from its newest sound checkpoint, to the same bits as if it never stopped."""
    from ganzoo_core import runs
    from ganzoo_core.cli.run import spread, tell
    from ganzoo_core.runs.folder import RunFolder

    if nproc > 1:
        train = RunFolder(folder).read_config().get("train", {})
        if spread(nproc, train.get("batch", nproc), train.get("accumulate", 1)):
            return
    tell(runs.resume(folder, steps, quiet=quiet), quiet)
