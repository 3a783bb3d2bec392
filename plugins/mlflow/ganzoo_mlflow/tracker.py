"""One run in MLflow."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# A server that does not answer would stop the training for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from ganzoo_core.zoo import run_title

_MAX_PARAM_LENGTH = 500
"""Older servers refuse longer values of parameters."""
_MAX_PARAMS = 100
"""Of one request."""
_STATUS = {"finished": "FINISHED", "interrupted": "KILLED"}


class MlflowTracker:
    """Logs one run of the experiment `ganzoo`, or of the one that MLFLOW_EXPERIMENT_NAME names."""

    def __init__(self, run: Path, run_id: str, config: Mapping[str, Any], is_new: bool) -> None:
        self.client = MlflowClient()
        if is_new:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "ganzoo")
            experiment = self.client.get_experiment_by_name(name)
            experiment_id = (
                experiment.experiment_id if experiment else self.client.create_experiment(name)
            )
            created = self.client.create_run(experiment_id, run_name=run_title(run))
            self.run_id, self.last_step = created.info.run_id, -1
        else:
            self.run_id = run_id
            self.client.update_run(run_id, status="RUNNING")
            history = self.client.get_metric_history(run_id, "images_seen")
            self.last_step = max((metric.step for metric in history), default=-1)
        self._log_config(run, dict(_flatten(config)))

    def _log_config(self, run: Path, options: Mapping[str, str]) -> None:
        """Log the options as parameters, and config.toml. A parameter cannot change: an option
        that a resumed run changes becomes the tag `changed.OPTION`."""
        params = self.client.get_run(self.run_id).data.params
        new = [Param(name, value) for name, value in options.items() if name not in params]
        for start in range(0, len(new), _MAX_PARAMS):
            self.client.log_batch(self.run_id, params=new[start : start + _MAX_PARAMS])
        changed = {k: v for k, v in options.items() if params.get(k, v) != v}
        if changed:
            tags = [RunTag(f"changed.{name}", value) for name, value in changed.items()]
            self.client.log_batch(self.run_id, tags=tags)
        self.client.log_artifact(self.run_id, str(run / "config.toml"))

    def log(self, values: Mapping[str, float], grids: Sequence[Path], step: int) -> None:
        """Log a line; its grids are stored in `samples/` of the artifacts."""
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        self.client.log_batch(self.run_id, metrics=metrics)
        for path in grids:
            self.client.log_artifact(self.run_id, str(path), "samples")

    def log_evaluation(self, values: Mapping[str, float]) -> None:
        """Log the values at the last step."""
        self.log(values, (), max(self.last_step, 0))

    def finish(self, status: str, weights: Path | None) -> None:
        """Store the weights and close the run."""
        if weights is not None:
            self.client.log_artifacts(self.run_id, str(weights), "weights")
        self.client.set_terminated(self.run_id, _STATUS.get(status, "FAILED"))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, value) of each option."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)[:_MAX_PARAM_LENGTH]
