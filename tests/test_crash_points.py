"""SIGKILL at every change of the disk: what was good stays good, and the command works again."""

import json
import random
import re
import shutil
import signal
from pathlib import Path

import pytest
from crash_points import NEVER
from training_helpers import differing_keys

from ganzoo_core.files import load_tensors
from ganzoo_core.weights import find_pretrained, read_pretrained

RUN = (
    *("run", "cgan", "--preset", "smoke", "--device", "cpu", "--precision", "fp32"),
    *("--steps", "4", "--out", "run", "-q"),
    *("--set", "data.count=16", "--set", "data.image_size=32"),
    *("--set", "train.batch_size=8", "--set", "train.log_every=2"),
    *("--set", "train.checkpoint_every=2", "--set", "train.sample_every=2"),
)
RECIPE = (
    *("run", "pfa-gan", "--preset", "smoke", "--device", "cpu", "--precision", "fp32"),
    *("--steps", "8", "--out", "run", "-q", "--set", "train.checkpoint_every=1"),
    *("--set", "train.sample_every=1"),  # else the first grid depends on the clock
    *("--set", "model.auxiliaries.identity.weights=train"),
    *("--set", "model.auxiliaries.age.weights=train"),
    *("--set", "train.gan.steps=4"),
    *("--set", "train.part-2.phases_of=gan", "--set", "train.part-2.steps=4"),
    *("--set", "train.part-2.overrides.model.loss_weights.identity=0.6"),
)
"""Two auxiliary networks, then two stages."""
RESUME = ("resume", "run", "-q")
COMMANDS = {
    "run": RUN,
    "resume-finished": RESUME,
    "resume-longer": ("resume", "run", "--steps", "6", "-q"),
    "export": ("weights", "export", "run", "out"),
    "evaluate": (
        *("evaluate", "run", "--metrics", "diversity", "-n", "64", "--device", "cpu", "-q"),
        *("--set", "data.count=80"),
    ),
    "card": ("weights", "card", "run/weights"),
    "pull": ("weights", "pull", "run/weights", "--out", "out"),
    "prepare": ("data", "prepare", "people", "--set", "data.count=4", "--size", "32"),
}
SAMPLED = [name for name in COMMANDS if name != "resume-longer"]
NEEDS_NO_RUN = {"run", "prepare"}
VOLATILE = re.compile(
    r"(^|/)(\.lock(-owner)?|lock|count|events\.out\S*)$|(^|/)tensorboard(/|$)|report/index.html"
)
"""Files that are not compared: locks, and those with times in them."""


class Home:
    """A working directory with a run and a cache, in which commands are run and killed."""

    def __init__(self, path: Path, run_ganzoo) -> None:
        self.path, self.run_ganzoo = path, run_ganzoo

    def run(self, args, kill_at=NEVER, folder=""):
        """Run a command; return its exit code and the number of crash points in a folder."""
        done = self.run_ganzoo(
            [str(self.path / folder)],
            kill_at,
            list(args),
            cwd=self.path,
            env={"GANZOO_CACHE": str(self.path / "cache")},
            call="crash_points:run_command",
        )
        assert done.code in {0, 5, -signal.SIGKILL}, done.err
        return done.code, int((self.path / "count").read_text()) if done.code >= 0 else 0

    def copy(self, name):
        """Return a copy of the working directory."""
        path = self.path.with_name(name)
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.path, path)
        return Home(path, self.run_ganzoo)

    def files(self):
        """Return the files by relative path, without times and without the path of this folder."""
        found = {}
        for path in sorted(p for p in self.path.rglob("*") if p.is_file()):
            name = str(path.relative_to(self.path))
            if not VOLATILE.search(name):
                value = normalize(path)
                is_text = isinstance(value, bytes)
                found[name] = value.replace(bytes(self.path), b"") if is_text else value
        return found


def normalize(path):
    """Return what must be equal of a file."""
    data = path.read_bytes()
    if "checkpoints" in path.parts and path.suffix == ".safetensors":
        return load_tensors(path)[0]
    if path.suffix == ".jsonl":  # the keys of a restored record are sorted
        records = [{**json.loads(line), "seconds": 0} for line in data.splitlines()]
        data = json.dumps(records, sort_keys=True).encode()
    if path.suffix in {".json", ".toml"}:
        data = re.sub(rb'"seconds": [\d.]+', b"", data)
        data = re.sub(rb'started = "\S+"', b"", data)
        if "checkpoints" in path.parts:
            data = re.sub(rb'"sha256": "\w+"', b"", data)
    return data


def assert_same_files(found, expected):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        same = (
            found[name] == value
            if isinstance(value, bytes)
            else not differing_keys(found[name], value)
        )
        assert same, name


@pytest.fixture(scope="module")
def finished_home(run_ganzoo, tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("finished") / "home", run_ganzoo)
    home.path.mkdir()
    assert home.run(RUN)[0] == 0
    return home


def check_crash(name, start, expected, kill_at):
    """Kill a command at a point, check what is there, run it again and compare the folders."""
    args, home = COMMANDS[name], start.copy("killed")
    assert home.run(args, kill_at)[0] == -signal.SIGKILL, kill_at
    if name not in NEEDS_NO_RUN:  # the weights that were there are good, old or new as a whole
        hashes = {find_pretrained(h.path / "run").sha256 for h in (start, expected)}
        assert find_pretrained(home.path / "run").sha256 in hashes
    if name == "run" and (home.path / "run" / "config.toml").exists():
        args = COMMANDS["resume-finished"]
    code, _ = home.run(args)
    if code == 5:  # the killed command had finished its folder
        read_pretrained(home.path / args[-1])
    assert_same_files(home.files(), expected.files())


@pytest.fixture
def start_and_expected(request, run_ganzoo, tmp_path_factory):
    """The state before a command, the state after it, and its number of crash points."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    (folder / "start").mkdir()
    start = Home(folder / "start", run_ganzoo)
    if name not in NEEDS_NO_RUN:
        finished = request.getfixturevalue("finished_home")
        shutil.copytree(finished.path, start.path, dirs_exist_ok=True)
    expected = start.copy("expected")
    code, count = expected.run(COMMANDS[name])
    assert code == 0
    return name, start, expected, count


@pytest.mark.parametrize("start_and_expected", SAMPLED, indirect=True)
def test_crash_at_sampled_point(start_and_expected):
    name, start, expected, count = start_and_expected
    assert count >= 8
    check_crash(name, start, expected, random.Random(name).randrange(count))


@pytest.mark.soak
@pytest.mark.parametrize("start_and_expected", COMMANDS, indirect=True)
def test_crash_at_every_point(start_and_expected):
    name, start, expected, count = start_and_expected
    failures = []
    for kill_at in range(count):
        try:
            check_crash(name, start, expected, kill_at)
        except Exception as error:
            failures.append(f"{kill_at}: {type(error).__name__}: {error}"[:500])
    assert not failures, f"{len(failures)} of {count} crash points:\n" + "\n".join(failures)


@pytest.mark.soak
@pytest.mark.parametrize(("role", "stage"), [("identity", "gan"), ("age", "part-2")])
def test_recipe_killed_twice_equals_its_uninterrupted_self(role, stage, run_ganzoo, tmp_path):
    """Killed while it trains an auxiliary network, then in one of its stages."""
    (tmp_path / "start").mkdir()
    expected = Home(tmp_path / "start", run_ganzoo).copy("expected")
    code, count = expected.run(RECIPE, folder="run/checkpoints")
    assert code == 0
    killed = Home(tmp_path / "start", run_ganzoo)
    folder = f"run/auxiliaries/{role}/checkpoints"
    assert killed.run(RECIPE, 12, folder)[0] == -signal.SIGKILL
    assert not (killed.path / f"run/auxiliaries/{role}/weights").exists()
    share, steps = {"gan": (0.3, range(1, 4)), "part-2": (0.8, range(5, 8))}[stage]
    assert killed.run(RESUME, int(share * count), "run/checkpoints")[0] == -signal.SIGKILL
    checkpoints = (killed.path / "run/checkpoints").glob("*.safetensors")
    assert max(int(path.stem) for path in checkpoints) in steps
    assert killed.run(RESUME)[0] == 0
    assert_same_files(killed.files(), expected.files())
