"""One run in Weights & Biases."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

from ganzoo_core.zoo import run_title


class WandbTracker:
    """Logs one run; its local files are in `<run>/wandb/`.

    Without a login the run is stored there, and one line says how to upload it: a prompt for the
    API key would stop the training.
    """

    def __init__(self, run: Path, run_id: str, config: Mapping[str, Any], is_new: bool) -> None:
        settings = wandb.Settings(console="off", silent=True, init_timeout=30)
        if wandb.setup().settings.mode == "online" and not wandb.login(prompt=False):
            settings.mode = "offline"
            print(
                f"wandb: not logged in, so the run is stored in {run / 'wandb'}; upload it with "
                f"`wandb login` and `wandb sync {run / 'wandb'}/offline-run-*`",
                file=sys.stderr,
            )
        # wandb names the folder by the second: another run of this second would be overwritten.
        while any((run / "wandb").glob(f"*run-{time.strftime('%Y%m%d_%H%M%S')}-{run_id}")):
            time.sleep(0.1)
        self.run = wandb.init(
            project="ganzoo",
            id=run_id,
            name=run_title(run),
            dir=str(run),
            config=dict(config),
            allow_val_change=True,
            resume="allow",
            reinit="create_new",
            settings=settings,
        )
        self.run_id = run_id
        self.last_step = self.run.starting_step - 1
        self.grids: list[Path] = []
        self.grid_step = -1

    def log(self, values: Mapping[str, float], grids: Sequence[Path], step: int) -> None:
        """Log a line; lines of steps that the service has already are ignored by it."""
        row: dict[str, Any] = dict(values)
        if grids:
            same_step = self.grids if step == self.grid_step else []  # a later value replaces them
            self.grids, self.grid_step = [*same_step, *grids], step
            row["samples"] = [
                wandb.Image(str(path), caption=f"step {int(path.stem)}") for path in self.grids
            ]
        self.run.log(row, step=step)

    def log_evaluation(self, values: Mapping[str, float]) -> None:
        """Write the values into the summary."""
        self.run.summary.update(dict(values))

    def finish(self, status: str, weights: Path | None) -> None:
        """Store the weights and close the run."""
        if weights is not None:
            artifact = wandb.Artifact(f"weights-{self.run_id}", type="model")
            for path in sorted(weights.iterdir()):  # add_dir would print
                artifact.add_file(str(path))
            self.run.log_artifact(artifact)
        self.run.finish(exit_code=0 if status == "finished" else 1)
