"""Shared fixtures: the command line in processes of its own, throw-away plugins, a trained run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    codes: tuple[int, ...] = ()
    """Of each rank."""

    @property
    def error(self) -> str:
        """The last line on stderr: where an error is said in one line."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


class Forker:
    """Runs `ganzoo ARGS` in a fresh process each time, forked from one that has imported torch.

    Importing torch takes seconds; forking takes milliseconds. Nothing of the zoo is loaded before
    the fork, so every command discovers plugins and reads the environment for itself.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.count = 0
        self.process: subprocess.Popen[str] | None = None

    def __call__(
        self,
        *args: object,
        cwd: Path,
        env: dict[str, str] | None = None,
        file_limit: int = 0,
        ranks: int = 1,
        call: str = "",
    ) -> Done:
        """Run one command.

        Args:
            file_limit: the largest file it may write, in bytes.
            ranks: processes that run it together, as torchrun would start them.
            call: ``module:function`` of the tests, called with `args` in place of a command.
        """
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "forker.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=clean_env(),
            )
        self.count += 1
        out, err = (self.home / f"{self.count}.{name}" for name in ("out", "err"))
        request = {
            "args": [arg if call else str(arg) for arg in args],
            "cwd": str(cwd),
            "env": env or {},
            "out": str(out),
            "err": str(err),
            "file_limit": file_limit,
            "ranks": ranks,
            "call": call,
        }
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        codes = json.loads(self.process.stdout.readline())
        bad = next((code for code in codes if code), 0)
        return Done(bad, out.read_text(), err.read_text(), tuple(codes))

    def close(self) -> None:
        """End the server."""
        if self.process:
            assert self.process.stdin
            self.process.stdin.close()
            self.process.wait()


def clean_env(**more: str) -> dict[str, str]:
    """Return the environment without what steers ganzoo or colours."""
    steering = ("GANZOO_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_")
    own = {"GANZOO_CACHE", "GANZOO_TEST_DATA"}
    kept = {k: v for k, v in os.environ.items() if k in own or not k.startswith(steering)}
    return {**kept, "OMP_NUM_THREADS": "1", **more}


@pytest.fixture(scope="session")
def ganzoo(tmp_path_factory: pytest.TempPathFactory):
    """Run `ganzoo ARGS` with torch at hand: ganzoo(*args, cwd=..., env=..., file_limit=...)."""
    forker = Forker(tmp_path_factory.mktemp("output"))
    yield forker
    forker.close()


@pytest.fixture
def shell(tmp_path: Path):
    """Run any command in `tmp_path`: shell(*words, **environment)."""

    def call(*words: str, **env: str) -> Done:
        done = subprocess.run(
            words, cwd=tmp_path, env=clean_env(**env), capture_output=True, text=True, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def command(shell):
    """Run `ganzoo ARGS` as a shell would, from nothing: for verbs that need no torch."""
    return lambda *args, **env: shell(sys.executable, "-m", "ganzoo_core.cli", *args, **env)


def install(target: Path, source: Path, plugins: dict[str, tuple[str, dict[str, str]]]) -> None:
    """Install throw-away plugins into a folder, offline.

    Args:
        plugins: name -> (version, {file in the package: text}).
    """
    for name, (version, files) in plugins.items():
        package = f"ganzoo_{name}"
        (source / name / package).mkdir(parents=True)
        for file, text in {"__init__.py": "", **files}.items():
            (source / name / package / file).write_text(text)
        (source / name / "pyproject.toml").write_text(PYPROJECT.format(name=name, version=version))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-index",
            "--no-deps",
            "--no-build-isolation",
            "--target",
            str(target),
            *(str(source / name) for name in plugins),
        ],
        check=True,
        env=clean_env(),
    )


PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "ganzoo-{name}"
version = "{version}"
[project.entry-points."ganzoo.plugins"]
{name} = "ganzoo_{name}.plugin"
[tool.hatch.build.targets.wheel]
packages = ["ganzoo_{name}"]
"""

IMPORTS = "from ganzoo_core import CommandSpec, DatasetSpec, ModelSpec, hookimpl\n"

EXTRA = (
    IMPORTS
    + '''
import os

@hookimpl
def ganzoo_register(zoo):
    zoo.add(
        DatasetSpec(name="album", summary="[beta] pictures [/foo] of \\x1b[31mnobody",
                    target="ganzoo_extra.album:Album", gives=("image",)),
        ModelSpec(name="heavy", summary="Takes all memory", target="ganzoo_extra.models:Heavy",
                  config="ganzoo_extra.models:Plain"),
        ModelSpec(name="buggy", summary="Fails", target="ganzoo_extra.models:Buggy",
                  config="ganzoo_extra.models:Plain"),
        ModelSpec(name="hollow", summary="Its code is not there", target="ganzoo_extra.no:Model"),
    )

@hookimpl
def ganzoo_commands():
    return [CommandSpec(name="hello", help="Say [hello]", target="ganzoo_extra.verbs:hello"),
            CommandSpec(name="mute", help="Say nothing", target="ganzoo_extra.no:mute")]

@hookimpl
def ganzoo_round_logged(run, record):
    """Send this process a signal in the middle of training, where a test asks for it."""
    if record["round"] == 5 and "GANZOO_TEST_SIGNAL" in os.environ:
        os.kill(os.getpid(), int(os.environ["GANZOO_TEST_SIGNAL"]))
'''
)

ALBUM = '''
from PIL import Image
from ganzoo_core import Dataset, Table
from ganzoo_core.data.archive import open_files

class Album(Dataset):
    """Every file of a folder or archive as a grey picture; knows no label and no age."""

    def __init__(self, config):
        super().__init__(config)
        self.files = open_files(config.path)

    def table(self):
        return Table(length=len(self.files.names))

    def image(self, index):
        return Image.new("L", (8, 8), index % 256)
'''

MODELS = """
from ganzoo_core import Model, ModelConfig

class Plain(ModelConfig):
    presets = {"quick": {"data": {"name": "shapes", "count": 8, "size": 8}}}

class Heavy(Model):
    def __init__(self, config, info):
        raise MemoryError
    def players(self):
        return {}
    def stages(self):
        return ()

class Buggy(Heavy):
    def __init__(self, config, info):
        raise KeyError("inside")
"""

VERBS = """
import click

@click.command()
@click.option("--name", default="you")
def hello(name):
    click.echo(f"hello {name}")
"""


@pytest.fixture(scope="session")
def extra(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PYTHONPATH of a sound plugin: `album`, models that fail, two verbs, a tracker."""
    target = tmp_path_factory.mktemp("extra")
    files = {"plugin.py": EXTRA, "album.py": ALBUM, "models.py": MODELS, "verbs.py": VERBS}
    install(target, tmp_path_factory.mktemp("source"), {"extra": ("0.3", files)})
    return str(target)


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PYTHONPATH of plugins that are wrong, each in its own way."""

    def registers(spec: str) -> str:
        return f"{IMPORTS}\n@hookimpl\ndef ganzoo_register(zoo):\n    zoo.add({spec})\n"

    cgan = 'ModelSpec(name="cgan", summary="Another", target="a.b:C")'
    codes = {
        "foo": "import nowhere_to_be_found\n",
        "twin": registers(cgan),
        "typo": f"{IMPORTS}\n@hookimpl\ndef ganzoo_registre(zoo):\n    pass\n",
        "future": registers('ModelSpec(name="late", summary="s", target="a.b:C", api=99)'),
        "quits": "raise SystemExit('[/foo] no licence')\n",
        "greedy": f"{IMPORTS}\n@hookimpl\ndef ganzoo_commands():\n"
        '    return [CommandSpec(name="run", help="Mine", target="a.b:c")]\n',
    }
    target = tmp_path_factory.mktemp("bad")
    plugins = {name: ("0.2", {"plugin.py": code}) for name, code in codes.items()}
    install(target, tmp_path_factory.mktemp("source"), plugins)
    return str(target)


@pytest.fixture(scope="session")
def trained(ganzoo: Forker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of cgan's tiny preset with checkpoints at 10 and 20; copy it before changing it."""
    home = tmp_path_factory.mktemp("trained")
    done = ganzoo(
        "run",
        "cgan",
        "--preset",
        "tiny",
        "--set",
        "data.count=64",
        "--set",
        "train.checkpoint_every=10",
        "--out",
        "runs/demo",
        cwd=home,
    )
    assert done.code == 0, done.err
    (home / "stdout.txt").write_text(done.out)
    return home / "runs" / "demo"
