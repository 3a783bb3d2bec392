"""A run folder: what lies where, and how it comes to be."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from ganzoo_core.config import read_toml
from ganzoo_core.errors import OutputError, UsageError, WeightsError
from ganzoo_core.files import write_text
from ganzoo_core.files.atomic import reason
from ganzoo_core.weights.judges import JUDGES

HOME = Path("runs")
CONTINUE = "or continue it with: ganzoo resume {path}"


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
        """metrics.jsonl: one line every few rounds."""
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """Grids, one every few hundred rounds."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """What `ganzoo resume` continues from."""
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        """The bundle to share."""
        return self.path / "weights"

    @property
    def judges(self) -> Path:
        """Runs of the judges that this run trained first, by role."""
        return self.path / JUDGES

    @property
    def report(self) -> Path:
        """Curves."""
        return self.path / "report"

    @property
    def lock(self) -> Path:
        """Held by the one process that writes."""
        return self.path / ".lock"

    def withdraw(self) -> None:
        """Remove the folder of a run that failed before anything was trained."""
        with suppress(OSError):
            self.judges.rmdir()
        if set(self.path.iterdir()) <= {self.lock, self.config}:
            self.lock.unlink(missing_ok=True)
            self.config.unlink(missing_ok=True)
            self.path.rmdir()

    def write_config(self, tree: dict[str, Any]) -> None:
        """Write config.toml."""
        write_text(self.config, tomli_w.dumps(tree))

    def read_config(self) -> dict[str, Any]:
        """Read config.toml.

        Raises:
            UsageError: the folder is no run.
        """
        if not self.config.exists():
            raise UsageError(f"{self.path} is no run: it has no config.toml")
        tree = read_toml(self.config)
        if "model" not in tree.get("run", {}):
            raise WeightsError(f"{self.config} does not say which model it is of")
        return tree

    def keep_metrics(self, last: int) -> None:
        """Drop the lines after round `last`: resume writes them again."""
        if not self.metrics.exists():
            return
        lines = self.metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        write_text(self.metrics, "".join(x for x in lines if round_of(x) <= last))

    def log(self, record: dict[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.metrics}: {reason(error)}") from error


def round_of(line: str) -> float:
    """Return the round of a line of metrics; infinity for a line that a crash cut short."""
    try:
        return float(json.loads(line)["round"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def create(out: str | Path | None, model: str) -> RunFolder:
    """Make the folder of a new run: `out`, or the next free ``runs/<model>-<n>``.

    Raises:
        OutputError: `out` exists and is not empty, or cannot be written.
    """
    try:
        if out is not None:
            return RunFolder(claim(Path(out)))
        HOME.mkdir(exist_ok=True)
        for number in range(1, 1_000_000):
            path = HOME / f"{model}-{number}"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return RunFolder(path)
    except OSError as error:
        raise OutputError(f"cannot make the run folder {out or HOME}: {reason(error)}") from error
    raise OutputError(f"{HOME} is full of runs: give --out DIR")


def claim(path: Path, advice: str = CONTINUE) -> Path:
    """Take a folder to write into.

    Raises:
        OutputError: it exists and is no empty folder. OSError: it cannot be written.
    """
    refuse_taken(path, advice)
    path.mkdir(parents=True, exist_ok=True)
    probe = path / ".writable"
    probe.touch()
    probe.unlink()
    return path


def refuse_taken(path: Path, advice: str = CONTINUE) -> None:
    """Leave alone what is there already; an empty folder will do.

    Raises:
        OutputError: it exists and is no empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(
            f"{path} exists already: give another --out, {advice.format(path=path)}".rstrip(", ")
        )
