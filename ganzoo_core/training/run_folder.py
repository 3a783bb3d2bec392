"""The paths inside a run folder, and how the folder is created."""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ConfigDict, Field

from ganzoo_core.errors import OutputError, UsageError
from ganzoo_core.files import read_jsonl, read_toml, write_text
from ganzoo_core.files.atomic_write import os_error_message
from ganzoo_core.report.curves import MetricsRecord
from ganzoo_core.training.empty_folder import RESUME_HINT, check_is_empty
from ganzoo_core.weights.auxiliaries import AUXILIARIES_DIR
from ganzoo_core.weights.training_images import TRAINING_IMAGES_FILE

_RUNS_DIR = Path("runs")


class _RunSection(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1)
    preset: str = ""
    composition: str = ""


class _StoredConfig(BaseModel):
    """config.toml; `ganzoo_core.config` checks the options."""

    model_config = ConfigDict(extra="allow")

    run: _RunSection
    model: dict[str, Any] = {}
    data: dict[str, Any] = {}
    train: dict[str, Any] = {}


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """config.toml: the resolved options, versions and machine."""
        return self.path / "config.toml"

    @property
    def metrics(self) -> Path:
        """metrics.jsonl: one line every `train.log_every` steps."""
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """Sample grids, one every `train.sample_every` steps."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, from which `ganzoo resume` continues."""
        return self.path / "checkpoints"

    @property
    def checkpoint_index(self) -> Path:
        """checkpoints/index.json: model, options and data facts, as in a pretrained folder."""
        return self.checkpoints / "index.json"

    @property
    def weights(self) -> Path:
        """The pretrained folder."""
        return self.path / "weights"

    @property
    def auxiliaries(self) -> Path:
        """The run folders of the auxiliary networks that this run trained, by role."""
        return self.path / AUXILIARIES_DIR

    @property
    def report(self) -> Path:
        """Curves, evaluation and the page of the run."""
        return self.path / "report"

    @property
    def lock(self) -> Path:
        """The lock of the one process that writes."""
        return self.path / ".lock"

    def remove_if_untrained(self) -> None:
        """Remove the folder of a run that failed before anything was trained."""
        with suppress(OSError):
            self.auxiliaries.rmdir()
        removable = {self.lock, self.config, self.path / TRAINING_IMAGES_FILE}
        if set(self.path.iterdir()) <= removable:
            for path in removable:
                path.unlink(missing_ok=True)
            self.path.rmdir()

    def write_config(self, tree: dict[str, Any]) -> None:
        """Write config.toml."""
        write_text(self.config, tomli_w.dumps(tree))

    def read_config(self) -> dict[str, Any]:
        """Read config.toml.

        Raises:
            UsageError: the folder contains no config.toml.
            WeightsError: config.toml is damaged.
        """
        if not self.config.exists():
            raise UsageError(f"{self.path} is not a run folder: it contains no config.toml")
        return read_toml(self.config, _StoredConfig).model_dump(exclude_unset=True)

    def last_checkpoint_step(self) -> int:
        """Return the step of the newest checkpoint, 0 without one."""
        names = [path.stem for path in self.checkpoints.glob("*.safetensors")]
        return max((int(name) for name in names if name.isdigit()), default=0)

    def truncate_metrics(self, last_step: int) -> None:
        """Remove the lines of metrics.jsonl after a step, and damaged ones."""
        if not self.metrics.exists():
            return
        lines = read_jsonl(self.metrics, MetricsRecord)
        kept = [line for line, record in lines if record and record.step <= last_step]
        write_text(self.metrics, "".join(f"{line}\n" for line in kept))

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Append a line to metrics.jsonl.

        Raises:
            OutputError: the disk is full. The file ends as before.
        """
        line = (json.dumps(record) + "\n").encode()
        try:
            with self.metrics.open("ab", buffering=0) as file:
                end = file.tell()
                try:
                    if file.write(line) < len(line):
                        raise OSError(errno.ENOSPC, "")
                except OSError:
                    file.truncate(end)
                    raise
        except OSError as error:
            raise OutputError(f"cannot write {self.metrics}: {os_error_message(error)}") from error


def create_run_folder(out: str | Path | None, model: str) -> RunFolder:
    """Create the folder of a new run: `out`, or the next free ``runs/<model>-<n>``.

    Raises:
        OutputError: `out` exists and is not empty, or cannot be written.
    """
    try:
        if out is not None:
            return RunFolder(create_output_folder(Path(out)))
        _RUNS_DIR.mkdir(exist_ok=True)
        for number in range(1, 1_000_000):
            path = _RUNS_DIR / f"{model}-{number}"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return RunFolder(path)
    except OSError as error:
        raise OutputError(
            f"cannot create the run folder {out or _RUNS_DIR}: {os_error_message(error)}"
        ) from error
    raise OutputError(f"{_RUNS_DIR} has no free number: give --out DIR")


def create_output_folder(path: Path, hint: str = RESUME_HINT) -> Path:
    """Create a folder, or accept an empty one, and check that it is writable.

    Raises:
        OutputError: the path exists and is not an empty folder.
        OSError: the folder cannot be written.
    """
    check_is_empty(path, hint)
    path.mkdir(parents=True, exist_ok=True)
    probe = path / ".writable"
    probe.touch()
    probe.unlink()
    return path
