"""Feeds thousands of hostile inputs to the commands and prints a table of failures by category.

``make soak`` runs it whole; ``python tests/soak_table.py --share 0.1`` takes a tenth, ``--only
tar`` one category. Each input is written into a new sandbox, and each command runs in a process of
its own, forked from one that has imported torch. A failure is a traceback or an exit code that is
not documented, code of the input that ran, a file outside the sandbox, more than 1 GB of memory, or
more than the deadline. The inputs are the same in every run.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import torch
from http_servers import DRIPS, FileServerHandler, run_server
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_fuzz_commands import EVALUATION, EXIT_CODES, FILES, REGISTRY, damage
from test_fuzz_input_files import (
    MUTATIONS,
    NAMES,
    fix_png_crcs,
    images,
    mutate,
    tables,
    tars,
)
from test_fuzz_weights import (
    CARDS,
    damaged_checkpoints,
    edit_safetensors_header,
    indices,
    set_at_path,
    tensors,
    update_hashes,
)

from ganzoo_core.data import matlab

MAX_MEMORY_KB = 1_000_000
MAX_CPU_SECONDS = 60
MAX_WALL_SECONDS = 600
INPUTS = 1_200
"""Inputs of each category."""
SECRET = b"nobody may read this"
CANARY = "ran"
"""The folder that code of an input would make, see `MaliciousPickle`."""


@dataclass
class Case:
    """One input: the files that it changes, and the command that reads them."""

    command: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    """By path in the sandbox."""
    env: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] = lambda folder: None
    """Called in the sandbox after the files are written."""


@dataclass
class Outcome:
    """What became of a command."""

    code: int
    err: str
    max_kb: int
    seconds: float


# --- running --------------------------------------------------------------------------------------


def run(command: tuple[str, ...], cwd: Path, env: dict[str, str]) -> Outcome:
    """Run a command in a forked process and wait for it, at most `MAX_WALL_SECONDS`."""
    err_path, start = cwd.parent / "err", time.monotonic()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _run_child(command, cwd, env, err_path)
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() - start > MAX_WALL_SECONDS:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.002)
    err = err_path.read_text(errors="replace")
    err_path.unlink()
    seconds = usage.ru_utime + usage.ru_stime
    return Outcome(os.waitstatus_to_exitcode(status), err, usage.ru_maxrss, seconds)


def _run_child(command: tuple[str, ...], cwd: Path, env: dict[str, str], err_path: Path) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(err_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = os.fdopen(1, "w", closefd=False)  # a test has others
        sys.stderr = os.fdopen(2, "w", closefd=False, buffering=1)
        os.chdir(cwd)
        os.environ.update({"GANZOO_CACHE": str(cwd / "cache"), **env})
        sys.path[:0] = [p for p in env.get("PYTHONPATH", "").split(os.pathsep) if p]
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
        from ganzoo_core.cli.main import main

        main(list(command))
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def find_failure(outcome: Outcome, sandbox: Path) -> str:
    """Return what is wrong, or an empty string."""
    err = outcome.err.strip()
    problems = {
        f"traceback: {err[-300:]}": "Traceback" in err or "internal error" in err,
        "over the deadline": outcome.code in {-signal.SIGXCPU, -signal.SIGKILL},
        f"exit code {outcome.code}: {err[-300:]}": outcome.code not in EXIT_CODES,
        "no message": outcome.code and not err,
        f"{outcome.max_kb // 1000:,} MB of memory": outcome.max_kb > MAX_MEMORY_KB,
        "code of the input ran": any(sandbox.rglob(CANARY)),
        "a file outside the working directory": {p.name for p in sandbox.iterdir()}
        != {"work", "secret"},
        "the file outside changed": (sandbox / "secret").read_bytes() != SECRET,
    }
    return next((text for text, is_true in problems.items() if is_true), "")


@dataclass
class Row:
    """A row of the table."""

    name: str
    inputs: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    max_kb: int = 0
    max_seconds: float = 0.0

    def add(self, case: Case, outcome: Outcome, problem: str) -> None:
        """Count an input."""
        self.inputs += 1
        self.refused += outcome.code != 0
        self.max_kb = max(self.max_kb, outcome.max_kb)
        self.max_seconds = max(self.max_seconds, outcome.seconds)
        if problem:
            self.failures.append(f"{self.name} {self.inputs}: {' '.join(case.command)}: {problem}")

    def __str__(self) -> str:
        """The row, under `HEADER`."""
        counts = f"{self.inputs:>8,}{self.refused:>9,}{len(self.failures):>10,}"
        return f"{self.name:18}{counts}{self.max_kb // 1000:>12,}{self.max_seconds:>9.1f}"


HEADER = "category            inputs  refused  failures   memory MB    CPU s"


def run_category(name: str, good: Path, count: int, home: Path) -> Row:
    """Run a category; return its row."""
    from ganzoo_core import limits

    limits.HEADER_SECONDS = limits.RATE_WINDOW_SECONDS = limits.CONNECT_SECONDS = 0.3
    base, make_cases = CATEGORIES[name]
    if name != "plugin":
        from ganzoo_core.zoo import zoo

        zoo().names("model")
    sandbox, row = home / name, Row(name)
    sandbox.mkdir()
    (sandbox / "secret").write_bytes(SECRET)
    for case in make_cases(good / base, count):
        work = shutil.copytree(good / base, sandbox / "work", symlinks=True)
        for path, content in case.files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_bytes(content)
        case.prepare(work)
        outcome = run(case.command, work, case.env)
        row.add(case, outcome, find_failure(outcome, sandbox))
        for path in sandbox.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "secret":
                path.unlink()
    return row


# --- inputs ---------------------------------------------------------------------------------------


def draw(strategy: st.SearchStrategy, count: int) -> list:
    """Return examples of a strategy, always the same ones."""
    found: list = []
    while len(found) < count:

        @hypothesis.seed(len(found))
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def collect(value):
            found.append(value)

        collect()
    return found[:count]


def damaged(*names: str):
    """Return the cases of damaged files of a run: each through the commands that read it."""

    def make_cases(good: Path, count: int) -> Iterator[Case]:
        rng = random.Random(" ".join(names))
        for number in range(count):
            name = names[number % len(names)]
            commands = FILES[name]
            content = damage((good / "run" / name).read_bytes(), rng)
            yield Case(commands[number // len(names) % len(commands)], {f"run/{name}": content})

    return make_cases


def rotate(number: int, *commands: str) -> tuple[str, ...]:
    return tuple(commands[number % len(commands)].split())


def index_cases(good: Path, count: int) -> Iterator[Case]:
    original = (good / "run/weights/ganzoo.json").read_text()
    for number, (edits, changes) in enumerate(draw(indices(), count)):
        index = json.loads(original)
        for path, value in edits:
            set_at_path(index, path, value)
        content = mutate(json.dumps(index).encode(), [] if edits else changes)
        command = rotate(
            number,
            "weights verify run/weights",
            "sample run/weights --count 1 --out x.png",
            "weights card run/weights",
            "weights diff run/weights good/weights",
            "weights export run/weights out",
            "info run/weights",
        )
        yield Case(command, {"run/weights/ganzoo.json": content})


def class_name_cases(good: Path, count: int) -> Iterator[Case]:
    names = st.one_of(
        st.text(max_size=300),
        st.sampled_from(["\x1b[31m", "a\nb", "x" * 300_000, "../..", "\u202e", "é" * 200, ""]),
    )
    original = (good / "run/weights/ganzoo.json").read_text()
    for number, values in enumerate(draw(st.lists(names, min_size=1, max_size=6), count)):
        index = json.loads(original)
        index["data"]["class_names"] = values * 6 if number % 2 else [*values, *"abcdef"][:6]
        content = json.dumps(index).encode("utf-8", "replace")
        command = rotate(
            number,
            "sample run/weights --count 1 --out x.png",
            "weights verify run/weights",
            "weights card run/weights",
        )
        yield Case(command, {"run/weights/ganzoo.json": content})


def tensor_cases(good: Path, count: int) -> Iterator[Case]:
    original = (good / "run/weights/model.safetensors").read_bytes()
    for number, (edits, changes, is_nan) in enumerate(draw(tensors(), count)):
        data = edit_safetensors_header(original, edits)
        data = mutate(data[:-4] + b"\x00\x00\xc0\x7f" if is_nan else data, changes)
        command = rotate(number, "weights verify run/weights", "sample run/weights --out x.png")
        yield Case(
            command,
            {"run/weights/model.safetensors": data},
            prepare=lambda work: update_hashes(work / "run/weights"),
        )


def checkpoint_cases(good: Path, count: int) -> Iterator[Case]:
    for number, data in enumerate(draw(damaged_checkpoints(), count)):
        name = f"x.{rotate(number, 'pt', 'safetensors', 'pth')[0]}"
        yield Case(("weights", "import", name, "--model", "cgan", "--out", "out"), {name: data})


def card_cases(good: Path, count: int) -> Iterator[Case]:
    original = (good / "run/weights/README.md").read_bytes()
    for text, changes in draw(st.tuples(CARDS, MUTATIONS), count):
        data = mutate(text.encode("utf-8", "replace") + original, changes)
        yield Case(
            ("weights", "verify", "run/weights"),
            {"run/weights/README.md": data},
            prepare=lambda work: update_hashes(work / "run/weights"),
        )


def registry_cases(good: Path, count: int) -> Iterator[Case]:
    rng = random.Random("registry")
    for number in range(count):
        command = rotate(number, "registry check r.toml", "list", "info other", "weights list")
        content = damage(REGISTRY.encode(), rng)
        yield Case(command, {"r.toml": content}, {"GANZOO_REGISTRY": "r.toml"})


def store_cases(good: Path, count: int) -> Iterator[Case]:
    """Both JSON files of a pixel store: a finished one, and one of an interrupted build."""
    rng, (store,) = random.Random("store"), (good / "cache").rglob("store.json")
    folder = store.parent.relative_to(good)
    for number in range(count):
        command = rotate(number, "data prepare photos --size 16", "data info photos")
        if number % 2:
            content = damage(b'{"4": "not an image"}', rng)
            yield Case(
                command,
                {
                    f"{folder}/unreadable.json": content,
                    f"{folder}/status.u8": bytes([1, 1, 1, 1, 2]),
                },
                prepare=lambda work: (work / folder / "store.json").unlink(),
            )
        else:
            yield Case(command, {f"{folder}/store.json": damage(store.read_bytes(), rng)})


def strip_cases(good: Path, count: int) -> Iterator[Case]:
    rng = random.Random("strips")
    original = (good / "strips" / "strips.jsonl").read_bytes()
    for _ in range(count):
        content = damage(original, rng)
        command = ("age", "run", "photos/a", "--out", "strips", "--from", "30")
        yield Case(command, {"strips/strips.jsonl": content})


def table_cases(good: Path, count: int) -> Iterator[Case]:
    for number, (name, content) in enumerate(draw(tables(), count)):
        verb = ("prepare", "info")[number % 2]
        yield Case(("data", verb, f"table:photos/{name}"), {f"photos/{name}": content})


def mat_cases(good: Path, count: int) -> Iterator[Case]:
    (mat,) = good.rglob("*.mat")
    original, path = mat.read_bytes(), mat.relative_to(good)
    for number, changes in enumerate(draw(MUTATIONS, count)):
        verb = f"data {('prepare', 'info')[number % 2]} imdb-wiki:{path.parent}"
        yield Case(tuple(verb.split()), {str(path): mutate(original, changes)})


def tar_cases(good: Path, count: int) -> Iterator[Case]:
    for number, data in enumerate(draw(tars(), count)):
        command = rotate(
            number, "data prepare a.tar --size 16", "data prepare class-folder:a.tar --size 16"
        )
        yield Case(command, {"a.tar": data})


@st.composite
def zips(draw_value):
    """Return a zip of images with any names, mutated."""
    out, image = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(image, "PNG")
    with zipfile.ZipFile(out, "w") as archive:
        for name in draw_value(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
            archive.writestr(name.encode("utf-8", "replace").decode() or "x", image.getvalue())
    return mutate(out.getvalue(), draw_value(MUTATIONS))


def zip_cases(good: Path, count: int) -> Iterator[Case]:
    for number, data in enumerate(draw(zips(), count)):
        command = rotate(number, "data prepare a.zip --size 16", "data info class-folder:a.zip")
        yield Case(command, {"a.zip": data})


def image_cases(good: Path, count: int) -> Iterator[Case]:
    for number, data in enumerate(draw(images(), count)):
        name = f"photos/x.{rotate(number, 'jpg', 'png', 'webp', 'bmp')[0]}"
        command = rotate(
            number,
            "data prepare class-folder:photos --size 16",
            f"age run {name} --out x.png --from 30",
            "data export photos --out out --size 16 -q",
        )
        yield Case(command, {name: data})


FIELD_VALUES = ["5", "None", "()", "(1,)", "'\\ud800'", "'\\x1b[31m'", "'x' * 10**6", "{}", "[]"]
FIELD_VALUES += ["object()", "True", "('a', 2)", "{'a': 1}", "lambda: 1", "type('E', (), {})()"]
SPEC_FIELDS = ["name", "summary", "target", "config", "paper", "license", "family", "capabilities"]
SPEC_FIELDS += ["auxiliaries", "fidelity", "api_version", "fields", "nothing"]
ENDINGS = [
    "",
    "raise BaseException('x')",
    "raise SystemExit",
    "import nowhere",
    "print('\\x1b[31m')",
]
ENDINGS += ["raise ValueError('a' * 10**6)", "def f(:", "zoo = 1", "raise GeneratorExit"]


def plugin_cases(good: Path, count: int) -> Iterator[Case]:
    """Plugins whose specs have any values in any fields."""
    rng = random.Random("plugin")
    for number in range(count):
        fields = {"name": "'m'", "summary": "'s'", "target": "'a.b:C'"}
        for name in rng.sample(SPEC_FIELDS, rng.randint(0, 3)):
            fields[name] = rng.choice(FIELD_VALUES)
        kind = rng.choice(["ModelSpec", "DatasetSpec", "MetricSpec", "CommandSpec"])
        spec = f"{kind}({', '.join(f'{key}={value}' for key, value in fields.items())})"
        code = (
            f"from ganzoo_core import {kind}, hookimpl\n"
            f"@hookimpl\ndef ganzoo_register(zoo):\n    zoo.add({spec})\n{rng.choice(ENDINGS)}\n"
        ).encode()
        entry = b"[ganzoo.plugins]\nodd = ganzoo_odd\n"
        files = {
            "site/ganzoo_odd.py": damage(code, rng) if number % 4 == 0 else code,
            "site/ganzoo_odd-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: ganzoo-odd\n"
            b"Version: 1.0\n",
            "site/ganzoo_odd-1.0.dist-info/entry_points.txt": (
                damage(entry, rng) if number % 4 == 1 else entry
            ),
        }
        command = rotate(number, "list", "plugins", "list --json", "info m", "plugins --debug")
        yield Case(command, files, {"PYTHONPATH": "site"})


class SoakHandler(FileServerHandler):
    """Reads the fault from the path, /FAULT/NAME-OF-THE-FAULTY-FILE/FILE: the server of a forked
    process cannot be told otherwise."""

    def do_GET(self):
        fault, faulty_name, name = self.path.strip("/").split("/")[-3:]
        self.path = f"/w/{name}"
        self.server.faults = {self.path: FAULTS[int(fault)]} if name == faulty_name else {}
        super().do_GET()


FAULTS = [*DRIPS, "huge", "2^60", "garbage", "endless", "drops", "drops always", "no ranges"]
FAULTS += ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://example.invalid/x"]


def download_cases(good: Path, count: int) -> Iterator[Case]:
    folder = good / "run/weights"
    with run_server(SoakHandler) as server:
        server.files = {f"/w/{path.name}": path.read_bytes() for path in folder.iterdir()}
        rng, names = random.Random("download"), sorted(path.name for path in folder.iterdir())
        originals = dict(server.files)
        for _ in range(count):
            name, fault = rng.choice(["ganzoo.json", *names]), rng.randrange(len(FAULTS) + 8)
            server.files = dict(originals)
            if fault >= len(FAULTS):  # damaged contents
                server.files[f"/w/{name}"] = damage(originals[f"/w/{name}"], rng)
                name = "none"
            address = f"{server.url}/{min(fault, len(FAULTS) - 1)}/{name}"
            yield Case(("weights", "pull", address, "--out", "out"))


NUM_ZEROS = 1_500_000_000


@functools.cache
def gzipped_tar_of_zeros() -> bytes:
    packer, out = zlib.compressobj(1, zlib.DEFLATED, 31), []
    header = tarfile.TarInfo("a.jpg")
    header.size = NUM_ZEROS
    out.append(packer.compress(header.tobuf()))
    out += [packer.compress(bytes(10**6)) for _ in range(NUM_ZEROS // 10**6)]
    return b"".join([*out, packer.flush()])


@functools.cache
def mat_of_zeros() -> bytes:
    packer = zlib.compressobj(1)
    body = b"".join([packer.compress(bytes(10**6)) for _ in range(500)]) + packer.flush()
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49)
    return header + struct.pack("<II", matlab.COMPRESSED, len(body)) + body


def nested_checkpoint(depth: int, breadth: int) -> bytes:
    """A list of lists of lists, each of them the same object many times."""
    value: object = torch.ones(1)
    for _ in range(depth):
        value = [value] * breadth
    out = io.BytesIO()
    torch.save({"w": value}, out)
    return out.getvalue()


def empty_tensors(count: int) -> bytes:
    header = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(count)}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


def bomb_cases(good: Path, count: int) -> Iterator[Case]:
    """Small files that ask for much memory or time."""
    rng, original = random.Random("bomb"), (good / "run/weights/ganzoo.json").read_text()
    image = io.BytesIO()
    Image.new("L", (8, 8)).save(image, "PNG")
    weights = "run/weights"

    def fix_hashes(work: Path) -> None:
        update_hashes(work / weights)

    for number in range(count):
        size = 10 ** rng.randint(2, 12) + rng.randint(-1, 1)
        match number % 6:
            case 0 | 1:
                index = json.loads(original)
                part = rng.choice([index["config"], index["data"]])
                part[rng.choice([k for k, v in part.items() if isinstance(v, int)])] = size
                files = {f"{weights}/ganzoo.json": json.dumps(index).encode()}
                yield Case(("weights", "verify", weights), files)
            case 2:
                data = empty_tensors(min(size, 300_000))
                files = {f"{weights}/model.safetensors": data}
                yield Case(("weights", "verify", weights), files, prepare=fix_hashes)
            case 3:
                data = nested_checkpoint(rng.randint(1, 12), rng.randint(2, 30))
                command = ("weights", "import", "x.pt", "--model", "cgan", "--out", "out")
                yield Case(command, {"x.pt": data})
            case 4:
                header = struct.pack(">II", size % 2**31, rng.choice([1, 8, 10**5, 2**31 - 1]))
                data = fix_png_crcs(image.getvalue()[:16] + header + image.getvalue()[24:])
                files = {"photos/x.png": data, "photos/y.png": image.getvalue()}
                yield Case(("data", "prepare", "photos", "--size", "16"), files)
            case 5:
                name, data = rng.choice(
                    [("a.tar", gzipped_tar_of_zeros), ("wiki/wiki.mat", mat_of_zeros)]
                )
                source = "imdb-wiki:wiki" if name != "a.tar" else name
                yield Case(("data", "prepare", source), {name: data()})


CATEGORIES: dict[str, tuple[str, Callable[[Path, int], Iterator[Case]]]] = {
    "index": ("run", index_cases),
    "class names": ("run", class_name_cases),
    "safetensors": ("run", tensor_cases),
    "checkpoint": ("empty", checkpoint_cases),
    "card": ("run", card_cases),
    "bomb": ("run", bomb_cases),
    "config": ("run", damaged("config.toml")),
    "metrics": ("run", damaged("metrics.jsonl")),
    "checkpoint index": ("run", damaged("checkpoints/index.json", "checkpoints/00000020.json")),
    "evaluation": ("run", damaged("report/evaluation.json")),
    "registry": ("empty", registry_cases),
    "store": ("photos", store_cases),
    "strips": ("aging", strip_cases),
    "table": ("photos", table_cases),
    "mat": ("wiki", mat_cases),
    "tar": ("empty", tar_cases),
    "zip": ("empty", zip_cases),
    "image": ("aging", image_cases),
    "plugin": ("empty", plugin_cases),
    "download": ("run", download_cases),
}


def make_good_files(good: Path) -> None:
    """Make what the inputs are damaged copies of."""

    def make(command: str, folder: str) -> None:
        outcome = run(tuple(command.split()), good / folder, {})
        assert outcome.code == 0, f"{command}: {outcome.err}"

    for name in ("empty", "run", "photos", "wiki", "aging"):
        (good / name).mkdir(parents=True)
    smoke = "--preset smoke --device cpu --precision fp32 -q"
    make(f"run cgan {smoke} --set data.count=64 --set train.checkpoint_every=10 --out run", "run")
    (good / "run/run/report/evaluation.json").write_text(json.dumps(EVALUATION, indent=1))
    (good / "run/run/registry.toml").write_text(REGISTRY)
    shutil.copytree(good / "run/run", good / "run/good")
    for folder in ("photos/photos/a", "photos/photos/b", "aging/photos/a"):
        (good / folder).mkdir(parents=True)
        Image.new("RGB", (40, 40), "red").save(good / folder / "face.png")
        Image.new("RGB", (8, 8), "blue").save(good / folder / "a.jpg")
    (good / "photos/photos/b/bad.jpg").write_bytes(b"no image")
    make("data prepare photos --size 16", "photos")
    make("data export people --exporter imdb-wiki --count 4 --size 32 --out wiki -q", "wiki")
    make(f"run idcgan {smoke} --set data.count=48 --steps 2 --out run", "aging")
    make("age run photos/a --out strips --from 30", "aging")


def main() -> int:
    """Run the categories in processes and print the table; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the inputs")
    parser.add_argument("--only", default="", help="categories, separated by commas")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    import torch._dynamo  # noqa: F401 - each command would import it again

    import ganzoo_core.report
    import ganzoo_core.training.api  # noqa: F401

    names = [name for name in options.only.split(",") if name] or list(CATEGORIES)
    count, rows = max(1, round(INPUTS * options.share)), []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_good_files(home / "good")
        (home / "boxes").mkdir()
        with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=1) as pool:
            tasks = [
                pool.apply_async(run_category, (name, home / "good", count, home / "boxes"))
                for name in names
            ]
            for task in tasks:
                rows.append(task.get())
                print(f"{rows[-1].name} done", *rows[-1].failures, sep="\n", flush=True)
    total = Row("all")
    for row in rows:
        total.inputs, total.refused = total.inputs + row.inputs, total.refused + row.refused
        total.failures += row.failures
        total.max_kb = max(total.max_kb, row.max_kb)
        total.max_seconds = max(total.max_seconds, row.max_seconds)
    print("", HEADER, *rows, total, sep="\n")
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
