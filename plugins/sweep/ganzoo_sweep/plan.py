"""The plan of a sweep, `sweep.json`, and its runs.

Folder of a sweep:

    sweep.json            the plan; never changed
    trials/003.json       the options of a trial, of a search only
    runs/003-seed-0/      a run folder
    results/003-seed-0.json   how the run ended: finished or failed
    claims/003-seed-0.lock    held by the process that trains this run
    logs/003-seed-0.log
    table.md, table.tex, table.csv, comparison.json, values.pdf, values.svg
"""

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout

from ganzoo_core.errors import DataError, OutputError, UsageError

FORMAT = 1
PLAN_FILE = "sweep.json"
_RANGE = re.compile(r"^(?P<low>[^.]*(?:\.\d+)?[^.]*)\.\.(?P<high>[^:]+)(?P<log>:log)?$")


@dataclass(frozen=True)
class PlannedRun:
    """One run: the options of a point, and a seed."""

    name: str
    """Of its folder."""
    point: int
    values: dict
    """Option -> text, as `--set` takes it."""
    seed: int

    @property
    def description(self):
        """Return the options and the seed as text."""
        return "  ".join(
            [*(f"{key}={text}" for key, text in self.values.items()), f"seed={self.seed}"]
        )


@dataclass(frozen=True)
class Sweep:
    """The folder of a sweep, and its plan. Another command may plan runs by a subclass."""

    path: Path
    plan: dict
    command: ClassVar[str] = "ganzoo sweep"
    """What `--resume DIR` continues."""

    def model(self, run):
        """Return the name of the model of a run."""
        return self.plan["model"]

    def options(self, run):
        """Return the options of a run, which override its preset."""
        return point_options(self.plan, run.values, run.seed)

    @property
    def search(self):
        """Return the settings of the search; None for a grid."""
        return self.plan["search"]

    @property
    def pruner(self):
        """Return the name of the pruner of the search; empty without one."""
        return (self.search or {}).get("pruner", "")

    def points(self):
        """Return the options of each point: those of the grid, or of the trials so far."""
        if self.search is None:
            return grid_points(self.plan["grid"])
        files = sorted((self.path / "trials").glob("*.json"))
        return [json.loads(file.read_text(encoding="utf-8"))["values"] for file in files]

    def runs(self):
        """Return the runs of all points, in order."""
        return [
            PlannedRun(f"{i:03d}-seed-{seed}", i, values, seed)
            for i, values in enumerate(self.points())
            for seed in self.plan["seeds"]
        ]

    def find_run(self, name):
        """Return a run by name.

        Raises:
            UsageError: there is no such run.
        """
        for run in self.runs():
            if run.name == name:
                return run
        raise UsageError(f"--run {name}: {self.path} has no such run: see --dry-run")

    @property
    def num_runs(self):
        """Return the number of runs at the end."""
        num_points = self.search["trials"] if self.search else len(self.points())
        return num_points * len(self.plan["seeds"])

    def run_folder(self, run):
        """Return the folder of a run."""
        return self.path / "runs" / run.name

    def log(self, run):
        """Return the file with the output of a run."""
        return self.path / "logs" / f"{run.name}.log"

    def result(self, run):
        """Return how a run ended, as JSON values; None if it has not, or if it was deleted."""
        try:
            text = (self.path / "results" / f"{run.name}.json").read_text(encoding="utf-8")
            result = json.loads(text)
        except (FileNotFoundError, ValueError):
            return None
        if result["status"] == "finished" and not self.run_folder(run).is_dir():
            return None
        return result

    def write_result(self, run, status, **fields):
        """Record how a run ended."""
        from ganzoo_core.files import write_json

        (self.path / "results").mkdir(exist_ok=True)
        write_json(self.path / "results" / f"{run.name}.json", {"status": status, **fields})

    def forget_failures(self):
        """Remove the results of the failed runs, so that they are trained again."""
        for run in self.runs():
            if (result := self.result(run)) and result["status"] == "failed":
                (self.path / "results" / f"{run.name}.json").unlink()

    def claim(self, run):
        """Return the lock of the process that trains a run; it must be acquired."""
        (self.path / "claims").mkdir(exist_ok=True)
        return FileLock(self.path / "claims" / f"{run.name}.lock", timeout=0)

    def is_claimed(self, run):
        """Return whether a process trains this run now."""
        try:
            with self.claim(run):
                return False
        except Timeout:
            return True


def split_values(text):
    """Split ``a,b,[1,2]`` at the commas outside of brackets and quotes."""
    parts = re.findall(r"""(?:\[[^\]]*\]|\{[^}]*\}|"[^"]*"|'[^']*'|[^,])+""", text)
    return [part.strip() for part in parts]


def parse_grid(assignments):
    """Parse ``["model.loss.kind=bce,hinge"]`` into option -> texts.

    Raises:
        UsageError: a word without values, or an option or a value that is given twice.
    """
    grid = {}
    for word in assignments:
        key, equals, text = word.partition("=")
        key, values = key.strip(), split_values(text)
        if not equals or not values or not key:
            raise UsageError(
                f"--grid {word!r}: write OPTION=A,B, such as model.loss.kind=bce,hinge"
            )
        if key in grid:
            raise UsageError(f"--grid {key} is given twice: write all values in one, {key}=A,B")
        if key == "train.seed":
            raise UsageError("--grid train.seed: seeds have their own option, --seeds 0-4")
        for value in values:
            if values.count(value) > 1:
                raise UsageError(f"--grid {key}: the value {value} is given twice")
        grid[key] = values
    return grid


def parse_range(text):
    """Return (low, high, is_log) of ``1e-5..1e-3:log``, as integers if both are; None for a
    single value."""
    match = _RANGE.match(text)
    if match is None:
        return None
    try:
        ends = [match["low"], match["high"]]
        low, high = (int(e) if re.fullmatch(r"[+-]?\d+", e) else float(e) for e in ends)
    except ValueError:
        return None
    return low, high, bool(match["log"])


def parse_seeds(text):
    """Parse ``0-4`` or ``0,2,7`` into a list of seeds.

    Raises:
        UsageError: no numbers, or a seed that is given twice.
    """
    seeds = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"--seeds {text!r}: write 0-4, or 0,2,7")
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise UsageError(f"--seeds {text}: seed {seed} is given twice: equal runs add nothing")
    return seeds


def parse_budget(text):
    """Return the seconds of ``30m``, ``2h``, ``1h30m`` or ``90s``.

    Raises:
        UsageError: another form, or no time.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip())
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not total:
        raise UsageError(f"--budget {text!r}: write 30m, 2h, 1h30m or 90s")
    return total


def grid_points(grid):
    """Return the points of a grid, the last option fastest."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def point_options(plan, values, seed):
    """Return the options of a run: those of all runs, then those of its point and its seed."""
    from ganzoo_core.config import merge, parse_assignments

    point = parse_assignments(f"{key}={text}" for key, text in values.items())
    return merge(merge(plan["options"], point), {"train": {"seed": seed}})


def check_points(plan):
    """Parse the configuration of every point, before the first run starts.

    Raises:
        UsageError: an option that does not exist or a value that its type refuses; two points with
            equal options; ranges that are no ranges.
    """
    from ganzoo_core.config import build_config

    seen = {}
    for values in grid_points(plan["grid"]) if plan["search"] is None else _corner_points(plan):
        try:
            config = build_config(
                plan["model"],
                preset=plan["preset"],
                patches=[point_options(plan, values, plan["seeds"][0])],
            )
        except UsageError as error:
            text = " ".join(f"{key}={value}" for key, value in values.items())
            raise UsageError(f"{error} (--grid {text})" if text else str(error)) from None
        if (plan["search"] or {}).get("pruner") and not config.train.metrics:
            raise UsageError(
                f"--pruner reads the metrics of a run in training: add --set train.metrics="
                f"{plan['search']['objective'].partition('.')[0]} (and train.evaluate_every=N)"
            )
        key = json.dumps(config.tree(), sort_keys=True, default=str)
        if plan["search"] is None and (former := seen.setdefault(key, values)) is not values:
            raise UsageError(f"--grid: {former} and {values} are equal options: leave one out")


def _corner_points(plan):
    """Yield points that have every listed value and both ends of every range of a search."""
    ends = {}
    for key, texts in plan["grid"].items():
        found = parse_range(texts[0]) if len(texts) == 1 else None
        if found and found[0] >= found[1]:
            raise UsageError(f"--grid {key}={texts[0]}: the lower end of a range comes first")
        if found and found[2] and found[0] <= 0:
            raise UsageError(f"--grid {key}={texts[0]}: a :log range lies above 0")
        ends[key] = [repr(found[0]), repr(found[1])] if found else texts
    first = {key: texts[0] for key, texts in ends.items()}
    for key, texts in ends.items():
        yield from ({**first, key: text} for text in texts)


def open_sweep(path, kind=Sweep):
    """Open the folder of a sweep, as an object of the class `kind`.

    Raises:
        UsageError: it is no sweep.
        DataError: its plan is damaged.
    """
    file = Path(path) / PLAN_FILE
    if not file.is_file():
        raise UsageError(f"{path} is not a sweep: it contains no {PLAN_FILE}")
    try:
        plan = json.loads(file.read_text(encoding="utf-8"))
        is_known = plan["format"] == FORMAT and isinstance(plan["grid"], dict) and plan["seeds"]
        is_known = is_known and plan.get("command", Sweep.command) == kind.command
    except (ValueError, KeyError, TypeError):
        is_known = False
    if not is_known:
        raise DataError(f"{file} is damaged, or of another command or version: give another --out")
    return kind(Path(path), plan)


def create_sweep(path, plan, kind=Sweep):
    """Create the folder of a sweep, or open that of the same plan.

    Raises:
        UsageError: the folder has another plan.
        OutputError: the path is something else, or cannot be written.
    """
    from ganzoo_core.files import write_json

    path = Path(path)
    if (path / PLAN_FILE).is_file():
        sweep = open_sweep(path, kind)
        for name, value in plan.items():
            if sweep.plan.get(name) != value:
                raise UsageError(
                    f"{path} is a sweep of another {name} ({_short(sweep.plan.get(name))}; now "
                    f"{_short(value)}): give another --out, or continue it with "
                    f"{kind.command} --resume {path}"
                )
        return sweep
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(f"{path} exists already and is not a sweep: give another --out")
    try:
        for folder in ("runs", "logs", "claims", "results"):
            (path / folder).mkdir(parents=True, exist_ok=True)
        write_json(path / PLAN_FILE, plan)
    except OSError as error:
        raise OutputError(f"cannot create {path}: {error.strerror}") from None
    return kind(path, plan)


def default_folder(plan, name):
    """Return the folder of a plan, ``sweeps/NAME-HASH``: the same command finds it again."""
    digest = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()
    return Path("sweeps") / f"{name}-{digest[:8]}"


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
