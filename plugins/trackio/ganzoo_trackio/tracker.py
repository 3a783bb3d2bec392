"""One run in Trackio."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import trackio

from ganzoo_core.zoo import run_title

_PROJECT = "ganzoo"


class TrackioTracker:
    """Logs one run of the project `ganzoo`. Trackio finds a run to resume by its name, so the name
    ends in a part of the id."""

    def __init__(self, run: Path, run_id: str, config: Mapping[str, Any], is_new: bool) -> None:
        self.run_id = run_id
        with _no_stdout():
            self.run = trackio.init(
                project=_PROJECT,
                name=f"{run_title(run)}-{run_id[:8]}",
                config=dict(config),
                resume="never" if is_new else "allow",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )
        known = None
        if not is_new:
            known = trackio.SQLiteStorage.get_last_step(_PROJECT, self.run.name)
        self.last_step = -1 if known is None else int(known)

    def log(self, values: Mapping[str, float], grids: Sequence[Path], step: int) -> None:
        """Log a line; each grid stands at its own step."""
        if values:
            self.run.log(dict(values), step=step)
        for path in grids:
            image = trackio.Image(str(path), caption=f"step {int(path.stem)}")
            self.run.log({"samples": image}, step=int(path.stem))

    def log_evaluation(self, values: Mapping[str, float]) -> None:
        """Log the values at the last step."""
        self.run.log(dict(values), step=max(self.last_step, 0))

    def finish(self, status: str, weights: Path | None) -> None:
        """Store the weights and close the run."""
        with _no_stdout():
            if weights is not None:
                self.run.log_artifact(str(weights), name=f"weights-{self.run_id[:8]}", type="model")
            trackio.finish()  # of the current run, which the end of the process finishes else


def _no_stdout() -> contextlib.redirect_stdout[io.StringIO]:
    """Hide what Trackio prints: stdout belongs to the paths that `ganzoo run` prints."""
    return contextlib.redirect_stdout(io.StringIO())
