"""The runs below some folders, read from their files. Only files that changed are read again.

The files are those of docs/reference/files.md. No torch is imported.
"""

import hashlib
import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ganzoo_core.errors import GanzooError
from ganzoo_core.files import read_json, read_toml
from ganzoo_core.limits import LOG_BYTES
from ganzoo_core.terminal import to_printable

_MAX_DEPTH = 4
"""Levels of folders below a root in which runs are searched."""
_MAX_FOLDERS = 5_000
"""Folders that one search visits."""
_TAIL_BYTES = 32_768
"""Of metrics.jsonl, for the last lines."""
_MARKS = {"config.toml", ".lock"}
"""Files of a run folder: the lock is there from the start, the options with the first step."""
STATES = ("training", "finished", "stopped")
_FIGURE_FILES = {"comparison.json", "values.svg"}
"""Files of a finished sweep: a folder with both is listed with its figure."""


@dataclass(frozen=True)
class RunSummary:
    """What a card shows of a run."""

    id: str
    """A hash of the path: addresses of the gallery contain no path."""
    path: Path
    name: str
    """The path below the folder that was given, without control characters."""
    signature: str
    """Changes whenever a file of the run changes."""
    model: str = ""
    preset: str = ""
    data: str = ""
    state: str = "stopped"
    """One of `STATES`."""
    step: int = 0
    total_steps: int = 0
    seconds: float = 0.0
    """Time of training so far."""
    seconds_left: float | None = None
    """Estimated from the last lines of metrics.jsonl; None where it is unknown."""
    started: str = ""
    grids: tuple[int, ...] = ()
    """The steps of the sample grids, ascending."""
    values: tuple[tuple[str, float, float | None], ...] = ()
    """(name, value, standard error) of the evaluation."""
    config: dict = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Figure:
    """The figure of a sweep."""

    id: str
    name: str
    path: Path


class RunIndex:
    """All runs below some folders, newest first, and the figures of sweeps.

    Args:
        roots: run folders, or folders of runs.
        interval_s: two searches are at least this far apart.
    """

    def __init__(self, roots, interval_s=1.0):
        self.roots, self.interval_s = [Path(root) for root in roots], interval_s
        self.version = 0
        """Counts the refreshes that found a change."""
        self.figures = {}
        """The figures of sweeps by id."""
        self._runs = {}
        self._lock = threading.Lock()
        self._refreshed = -interval_s

    def runs(self):
        """Return the summaries, those that train first, then the newest."""
        found = sorted(self._runs.values(), key=lambda run: (run.started, run.name), reverse=True)
        return sorted(found, key=lambda run: run.state != "training")

    def find(self, run_id):
        """Return the summary of a run; None for an unknown id."""
        return self._runs.get(run_id)

    def refresh(self):
        """Search the folders again, unless the last search was just now."""
        with self._lock:
            if time.monotonic() - self._refreshed < self.interval_s:
                return
            found, figures = {}, {}
            for path, name, is_run in self._folders():
                run_id = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
                if not is_run:
                    figures[run_id] = Figure(run_id, name, path / "values.svg")
                    continue
                previous = self._runs.get(run_id)
                signature = _signature(path)
                if previous and previous.signature == signature:
                    found[run_id] = previous
                else:
                    found[run_id] = read_summary(path, name, run_id, signature)
            if found != self._runs or figures != self.figures:
                self._runs, self.figures = found, figures
                self.version += 1
            self._refreshed = time.monotonic()

    def _folders(self):
        """Yield (resolved path, name, whether it is a run) of each run folder and sweep once."""
        seen, visited = set(), 0
        for root in self.roots:
            prefix = f"{root.name}/" if len(self.roots) > 1 else ""
            pending = [(root.resolve(), 0)]
            while pending and visited < _MAX_FOLDERS:
                folder, depth = pending.pop()
                visited += 1
                try:
                    entries = list(os.scandir(folder))
                except OSError:
                    continue
                files = {entry.name for entry in entries if entry.is_file()}
                is_run = bool(files & _MARKS)
                if folder not in seen and (is_run or files >= _FIGURE_FILES):
                    inside = folder.relative_to(root.resolve())
                    name = root.name if inside == Path() else f"{prefix}{inside}"
                    yield folder, to_printable(name) or "run", is_run
                seen.add(folder)
                if depth < _MAX_DEPTH and not is_run:
                    pending += [
                        (Path(entry.path), depth + 1)
                        for entry in entries
                        if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
                    ]


def _signature(path):
    """Return a text that changes with the files that a summary is read from."""
    parts = [is_locked(path)]
    for name in ("config.toml", "metrics.jsonl", "samples", "report", "report/evaluation.json"):
        try:
            status = (path / name).stat()
            parts.append((status.st_mtime_ns, status.st_size))
        except OSError:
            parts.append(None)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def is_locked(path):
    """Return whether a process trains in a run folder. False where the system cannot tell."""
    try:
        import fcntl

        with (path / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False


def read_summary(path, name, run_id, signature):
    """Read the summary of a run folder; what is missing or damaged stays empty."""
    config = {}
    with suppress(GanzooError, OSError):
        config = read_toml(path / "config.toml", dict)
    records = read_last_records(path / "metrics.jsonl")
    last = records[-1] if records else {}
    step, total = _number(last.get("step"), int), _number(last.get("total_steps"), int)
    state = "training" if is_locked(path) else "finished" if 0 < total <= step else "stopped"
    return RunSummary(
        id=run_id,
        path=path,
        name=name,
        signature=signature,
        model=_text(config, "run", "model"),
        preset=_text(config, "run", "preset"),
        data=_text(config, "data", "name"),
        state=state,
        step=step,
        total_steps=total,
        seconds=_number(last.get("seconds"), float),
        seconds_left=_seconds_left(records, total) if state == "training" else None,
        started=_text(config, "provenance", "started"),
        grids=tuple(grid_steps(path)),
        values=tuple(_read_values(path)),
        config=config,
    )


def _text(config, section, key):
    values = config.get(section)
    value = values.get(key, "") if isinstance(values, dict) else ""
    return to_printable(value) if isinstance(value, str) else ""


def _number(value, kind):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return kind(value) if is_number else kind(0)


def read_last_records(path):
    """Return the last lines of metrics.jsonl; damaged ones are left out."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).splitlines()
    except OSError:
        return []
    records = []
    for line in lines[1:] if size > _TAIL_BYTES else lines:
        with suppress(ValueError, RecursionError):
            records.append(json.loads(line))
    return [record for record in records if isinstance(record, dict)]


def _seconds_left(records, total):
    """Return the time that the rest takes at the rate of the last lines."""
    if len(records) < 2:
        return None
    first, last = records[0], records[-1]
    steps = _number(last.get("step"), int) - _number(first.get("step"), int)
    seconds = _number(last.get("seconds"), float) - _number(first.get("seconds"), float)
    if steps <= 0 or seconds <= 0:
        return None
    return max(total - _number(last.get("step"), int), 0) * seconds / steps


def grid_steps(path):
    """Return the steps of the sample grids of a run, ascending."""
    try:
        stems = [file.stem for file in (path / "samples").iterdir() if file.suffix == ".png"]
    except OSError:
        return []
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())


def grid_path(run, step):
    """Return the file of a sample grid; None if there is none at this step."""
    folder = run.path / "samples"
    return next(
        (path for path in folder.glob("*.png") if path.stem.isdigit() and int(path.stem) == step),
        None,
    )


def _read_values(path):
    """Yield (name, value, standard error) of evaluation.json."""
    from ganzoo_core.training.evaluation_file import read_evaluation

    with suppress(GanzooError, OSError):
        for result in read_evaluation(path)["results"].values():
            for name, value in result["values"].items():
                yield to_printable(name), value["value"], value["std_error"]


def read_index_file(path):
    """Return the index of the pretrained folder of a run, else of its checkpoints; empty without
    one."""
    for place in ("weights/ganzoo.json", "checkpoints/index.json", "ganzoo.json"):
        if (path / place).is_file():
            with suppress(GanzooError, OSError):
                return read_json(path / place, dict)
    return {}


def read_log(path, max_lines=200):
    """Return the last lines of metrics.jsonl as text."""
    file = path / "metrics.jsonl"
    if not file.is_file() or file.stat().st_size > LOG_BYTES:
        return ""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 8 * _TAIL_BYTES))
        lines = opened.read(8 * _TAIL_BYTES).decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-max_lines:])
