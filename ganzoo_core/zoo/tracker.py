"""The plugin of a tracking service: forwards the hooks of a run to the client of the service."""

from __future__ import annotations

import importlib.util
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ganzoo_core.errors import PluginError
from ganzoo_core.zoo.hooks import hookimpl
from ganzoo_core.zoo.lookup import import_target

RUN_IDS_FILE = "trackers.json"
"""In the run folder: the id of the run in each tracking service, by name of the tracker."""


class RunTracker(Protocol):
    """One run in a tracking service. The class is called with `(run, run_id, config, is_new)`: the
    run folder, the id to use, the resolved options, and whether the id is used the first time."""

    run_id: str
    """The id of the run; the service may replace the proposed one."""
    last_step: int
    """The last step that the service has of the run; -1 for none or unknown."""

    def log(self, values: Mapping[str, float], grids: Sequence[Path], step: int) -> None:
        """Log the values of a line of metrics.jsonl, and the sample grids since the line before:
        PNG files whose names are their steps."""

    def log_evaluation(self, values: Mapping[str, float]) -> None:
        """Log the values of `ganzoo evaluate`, named `eval/NAME`."""

    def finish(self, status: str, weights: Path | None) -> None:
        """Close the run. The status is finished, interrupted or failed.

        Args:
            status: of the run.
            weights: the pretrained folder, to be stored as an artifact; None without one.
        """


class TrackerPlugin:
    """A plugin that follows the runs whose `train.track` names it.

    A plugin module has ``plugin = TrackerPlugin(...)``, and the entry point names this object.

    Args:
        name: of the entry point.
        target: ``"package.module:Class"`` of the `RunTracker`; imported when a run is tracked.
        client: the Python package of the service.
    """

    def __init__(self, name: str, target: str, client: str) -> None:
        self.name, self.target, self.client = name, target, client
        self.open_runs: dict[Path, _OpenRun] = {}

    @hookimpl
    def ganzoo_run_started(self, run: Path, config: Mapping[str, Any]) -> None:
        """Open the run in the service, under the id that the run folder has."""
        self.open_runs.pop(run, None)  # of a run that ended without ganzoo_run_finished
        if self.name in config["train"].get("track", ()):
            is_new = self.name not in _read_run_ids(run)
            self.open_runs[run] = _OpenRun(run, self._open(run, config), is_new)

    @hookimpl
    def ganzoo_step_logged(self, run: Path, record: Mapping[str, Any]) -> None:
        """Log the values of a line, and the grids before it."""
        if open_run := self.open_runs.pop(run, None):  # a tracker that raises is not called again
            open_run.log(record)
            self.open_runs[run] = open_run

    @hookimpl
    def ganzoo_run_finished(self, run: Path, status: str) -> None:
        """Log the remaining grids and the weights, and close the run."""
        if open_run := self.open_runs.pop(run, None):
            grids = open_run.new_grids() if status == "finished" else []
            if grids:
                open_run.tracker.log({}, grids, open_run.last_step)
            weights = run / "weights"
            is_complete = status == "finished" and weights.is_dir()
            open_run.tracker.finish(status, weights if is_complete else None)

    @hookimpl
    def ganzoo_run_evaluated(self, run: Path, evaluation: Mapping[str, Any]) -> None:
        """Log the values of an evaluation, if the service has the run."""
        if self.name not in _read_run_ids(run):
            return
        import tomllib

        config = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
        tracker = self._open(run, config)
        tracker.log_evaluation(
            {
                f"eval/{name}": float(value["value"])
                for result in evaluation["results"].values()
                for name, value in result["values"].items()
            }
        )
        tracker.finish("finished", None)

    def _open(self, run: Path, config: Mapping[str, Any]) -> RunTracker:
        """Open the run in the service, and keep its id in the run folder.

        Raises:
            PluginError: the client is not installed.
        """
        if importlib.util.find_spec(self.client) is None:
            raise PluginError(f"its client is not installed: pip install {self.client}")
        run_ids = _read_run_ids(run)
        run_id = run_ids.get(self.name)
        tracker: RunTracker = import_target(self.target)(
            run, run_id or uuid.uuid4().hex, config, run_id is None
        )
        if tracker.run_id != run_id:
            text = json.dumps({**run_ids, self.name: tracker.run_id}, indent=1)
            part = run / f".{RUN_IDS_FILE}.part"
            part.write_text(text + "\n", encoding="utf-8")
            part.replace(run / RUN_IDS_FILE)
        return tracker


class _OpenRun:
    """A run in progress: which of its lines and grids the service has."""

    def __init__(self, run: Path, tracker: RunTracker, is_new: bool) -> None:
        self.run, self.tracker = run, tracker
        self.last_step = -1 if is_new else _last_logged_step(run)
        self.known_step = max(tracker.last_step, self.last_step)
        """The service has the lines up to this step: a resumed run repeats some of them."""
        self.logged_grids = {path for path in self._grids() if int(path.stem) <= self.known_step}

    def log(self, record: Mapping[str, Any]) -> None:
        step = int(record["step"])
        if step <= self.last_step:  # back to a checkpoint: the lines that follow are new
            self.known_step = -1
            self.logged_grids = {p for p in self.logged_grids if int(p.stem) < step}
        self.last_step = step
        if step <= self.known_step:
            return
        values = {
            name: float(value)
            for name, value in record.items()
            if isinstance(value, int | float) and name not in {"step", "total_steps"}
        }
        self.tracker.log(values, self.new_grids(step - 1), step)

    def new_grids(self, last_step: int | None = None) -> list[Path]:
        """Return the grids up to a step that were not returned before; None for all."""
        due = [path for path in self._grids() if last_step is None or int(path.stem) <= last_step]
        new = [path for path in due if path not in self.logged_grids]
        self.logged_grids.update(new)
        return new

    def _grids(self) -> list[Path]:
        return sorted(self.run.glob("samples/[0-9]*.png"))


def _last_logged_step(run: Path) -> int:
    """Return the step of the last line of metrics.jsonl; -1 without one."""
    path = run / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines else -1


def _read_run_ids(run: Path) -> dict[str, str]:
    path = run / RUN_IDS_FILE
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise PluginError(f"{path} is damaged: remove it to start a new run there") from None


def run_title(run: Path) -> str:
    """Return the name under which a service shows a run: the folder and its parent."""
    return "-".join(part for part in run.resolve().parts[-2:] if part != "/")
