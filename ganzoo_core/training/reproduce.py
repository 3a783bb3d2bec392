"""What made a run, compared with what is installed, and the run made again."""

from __future__ import annotations

import platform
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.report.run_page import run_model_name
from ganzoo_core.training.api import train_config
from ganzoo_core.training.environment import environment_record
from ganzoo_core.training.fit import Run
from ganzoo_core.training.run_config import UNREGISTERED_PREFIX, read_run_config
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights.index import INDEX_FILE, read_index


@dataclass(frozen=True)
class RunRecord:
    """What made a run."""

    run: str
    model: str
    seed: int
    command: str
    """The shell command that makes the run again."""
    then: dict[str, str]
    """Versions, commit, data and machine of the run, by name."""
    now: dict[str, str]
    """The same of this installation, where it is known before the run."""

    @property
    def differences(self) -> list[str]:
        """The names whose values differ. A value that the run did not record does not differ."""
        return [n for n, value in self.then.items() if value and self.now.get(n, value) != value]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**vars(self), "differences": self.differences}


def read_record(run: str | Path, out: str | Path | None = None) -> RunRecord:
    """Return what made a run.

    Args:
        run: the run folder.
        out: the folder of the new run, for the command; None for the next free one.

    Raises:
        UsageError: not a run folder, or the run of a class that no plugin registers.
        PluginError: the plugin of the model or the data is missing.
    """
    folder = RunFolder(Path(run))
    tree = folder.read_config()
    name = run_model_name(tree)
    if name.startswith(UNREGISTERED_PREFIX):
        raise UsageError(
            f"{folder.path} was trained from Python with the class "
            f"{name.removeprefix(UNREGISTERED_PREFIX)}, which no plugin registers: no command "
            "makes it again"
        )
    _, run_config = read_run_config(folder)
    stored, current = tree.get("provenance", {}), environment_record(run_config)
    packages = {**dict.fromkeys(current["packages"], ""), **stored.get("packages", {})}
    machine = {
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "isa": torch.backends.cpu.get_cpu_capability(),
    }
    then = {
        **{package: str(version) for package, version in packages.items()},
        **{key: str(stored.get(key, "")) for key in ("torch", "commit", *machine)},
        "data": str(stored.get("data", "")),
        "data version": str(stored.get("data_version", "")),
    }
    now = {
        **{package: current["packages"].get(package, "not installed") for package in packages},
        "torch": torch.__version__,
        "commit": current.get("commit", ""),
        **machine,
    }
    words = ["ganzoo", "run", "--config", str(folder.config)]
    words += [] if out is None else ["--out", str(out)]
    return RunRecord(str(folder.path), name, run_config.train.seed, shlex.join(words), then, now)


def reproduce(
    run: str | Path, out: str | Path | None = None, *, quiet: bool = False
) -> tuple[Run, list[str]]:
    """Make a run again, with its options, seed and data.

    Args:
        run: the run folder.
        out: the folder of the new run; None for the next free ``runs/<model>-<n>``.
        quiet: show no progress.

    Returns:
        The new run, and what differs from the former one: the data, or files of the weights. Empty
        if the weights are equal to the bit.

    Raises:
        GanzooError: see `read_record` and `train`.
    """
    read_record(run)
    former = RunFolder(Path(run))
    _, run_config = read_run_config(former)
    new = train_config(run_config, out=out, quiet=quiet)
    differences = []
    data = [f.read_config().get("provenance", {}).get("data") for f in (former, new.folder)]
    if data[0] != data[1]:
        differences.append(f"data: {data[0]} then, {data[1]} now")
    try:
        files = [read_index(f.weights / INDEX_FILE)["files"] for f in (former, new.folder)]
    except WeightsError as error:
        return new, [*differences, str(error)]
    differences += [
        f"weights/{name}"
        for name in sorted(set(files[0]) | set(files[1]))
        if name.endswith(".safetensors") and files[0].get(name) != files[1].get(name)
    ]
    return new, differences
