"""The lifecycle hooks, forwarded to the `RunWriter` of a run; cheap to import."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo_core.zoo import hookimpl

if TYPE_CHECKING:
    from ganzoo_tensorboard.run_writer import RunWriter

_ENABLE_ENV_VAR = "GANZOO_TENSORBOARD"
"""If this environment variable is 0, only runs that name the tracker, `--track tensorboard`, are
written."""

run_writers: dict[Path, RunWriter] = {}
"""By folder of the run, for the runs in progress in this process."""


@hookimpl
def ganzoo_run_started(run: Path, config: Mapping[str, Any]) -> None:
    """Open `<run>/tensorboard/` and write the configuration."""
    run_writers.pop(run, None)  # of a run that ended without ganzoo_run_finished
    is_named = "tensorboard" in config["train"].get("track", ())
    if is_named or os.environ.get(_ENABLE_ENV_VAR, "1") != "0":
        from ganzoo_tensorboard.run_writer import RunWriter

        run_writers[run] = RunWriter(run, config)


@hookimpl
def ganzoo_step_logged(run: Path, record: Mapping[str, Any]) -> None:
    """Write the values of a line of metrics.jsonl."""
    _call_writer(run, "write_metrics", record)


@hookimpl
def ganzoo_checkpoint_saved(run: Path, path: Path) -> None:
    """Write the grids up to the checkpoint: a resumed run draws only later ones."""
    _call_writer(run, "write_grids", int(path.stem))


@hookimpl
def ganzoo_run_finished(run: Path, status: str) -> None:
    """Write the remaining grids and close the file."""
    _call_writer(run, "finish", status)
    run_writers.pop(run, None)


def _call_writer(run: Path, method: str, *values: Any) -> None:
    """Call a method of the writer of a run. A writer that raises is dropped."""
    if writer := run_writers.pop(run, None):
        getattr(writer, method)(*values)
        run_writers[run] = writer
