"""Shared fixtures: the command line in new processes, throw-away plugins, a trained run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS_DIR = Path(__file__).parent


@dataclass(frozen=True)
class CommandResult:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    codes: tuple[int, ...] = ()
    """Exit code of each rank."""

    @property
    def error(self) -> str:
        """The last line on stderr, which holds the error message."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


class ForkServer:
    """Runs each `ganzoo ARGS` in a new process, forked from one that has imported torch.

    Importing torch takes seconds, forking milliseconds. Nothing of the zoo is loaded before the
    fork, so every command discovers plugins and reads the environment itself.
    """

    def __init__(self, output_dir: Path) -> None:
        self.output_dir = output_dir
        self.num_requests = 0
        self.process: subprocess.Popen[str] | None = None

    def __call__(
        self,
        *args: object,
        cwd: Path,
        env: dict[str, str] | None = None,
        file_limit: int = 0,
        ranks: int = 1,
        call: str = "",
    ) -> CommandResult:
        """Run one command.

        Args:
            file_limit: the largest file it may write, in bytes.
            ranks: number of processes that run it together, as torchrun starts them.
            call: ``module:function`` of the tests to call with `args`, in place of a command.
        """
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(TESTS_DIR / "fork_server.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=clean_environ(),
            )
        self.num_requests += 1
        out, err = (self.output_dir / f"{self.num_requests}.{name}" for name in ("out", "err"))
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
        first_failure = next((code for code in codes if code), 0)
        return CommandResult(first_failure, out.read_text(), err.read_text(), tuple(codes))

    def close(self) -> None:
        """End the server."""
        if self.process:
            assert self.process.stdin
            self.process.stdin.close()
            self.process.wait()


def clean_environ(**extra: str) -> dict[str, str]:
    """Return the environment without variables that control ganzoo, trackers, colors or width."""
    cleared_prefixes = ("GANZOO_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_", "WANDB_")
    kept_names = {"GANZOO_CACHE", "GANZOO_TEST_DATA"}
    kept = {
        k: v for k, v in os.environ.items() if k in kept_names or not k.startswith(cleared_prefixes)
    }
    return {**kept, "OMP_NUM_THREADS": "1", **extra}


@pytest.fixture(scope="session")
def run_ganzoo(tmp_path_factory: pytest.TempPathFactory):
    """Run `ganzoo ARGS` with torch imported: run_ganzoo(*args, cwd=...)."""
    server = ForkServer(tmp_path_factory.mktemp("output"))
    yield server
    server.close()


@pytest.fixture
def run_shell(tmp_path: Path):
    """Run any command in `tmp_path`: run_shell(*words, **environment)."""

    def run(*words: str, **env: str) -> CommandResult:
        done = subprocess.run(
            words,
            cwd=tmp_path,
            env=clean_environ(**env),
            capture_output=True,
            text=True,
            check=False,
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def ganzoo_subprocess(run_shell):
    """Run `ganzoo ARGS` in a new interpreter: for commands that need no torch."""
    return lambda *args, **env: run_shell(sys.executable, "-m", "ganzoo_core.cli", *args, **env)


def pip_install(target_dir: Path, *sources: str | Path) -> None:
    """Install source folders into a folder, offline."""
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", *options, "--no-build-isolation"),
            *("--target", target_dir, *sources),
        ],
        check=True,
        env=clean_environ(),
    )


def install_plugins(target_dir: Path, plugins: dict[str, tuple[str, dict[str, str]]]) -> None:
    """Write throw-away plugins into a folder for PYTHONPATH, with the metadata that pip writes.

    Args:
        plugins: name -> (version, {file in the package: text}).
    """
    for name, (version, files) in plugins.items():
        package = target_dir / f"ganzoo_{name}"
        package.mkdir()
        for file, text in {"__init__.py": "", **files}.items():
            (package / file).write_text(text)
        info = target_dir / f"ganzoo_{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: ganzoo-{name}\nVersion: {version}\n"
        )
        (info / "entry_points.txt").write_text(
            f"[ganzoo.plugins]\n{name} = {package.name}.plugin\n"
        )


IMPORTS = "from ganzoo_core import CommandSpec, DatasetSpec, ModelSpec, hookimpl\n"

EXTRA_PLUGIN_SOURCE = (
    IMPORTS
    + '''
import os

@hookimpl
def ganzoo_register(zoo):
    zoo.add(
        DatasetSpec(name="gray", summary="[beta] images [/foo] of \\x1b[31mnobody",
                    target="ganzoo_extra.gray:Gray", fields=("image",)),
        ModelSpec(name="heavy", summary="Takes all memory", target="ganzoo_extra.models:Heavy",
                  config="ganzoo_extra.models:Plain"),
        ModelSpec(name="buggy", summary="Fails", target="ganzoo_extra.models:Buggy",
                  config="ganzoo_extra.models:Plain"),
        ModelSpec(name="missing", summary="Has no code", target="ganzoo_extra.no:Model"),
    )

@hookimpl
def ganzoo_commands():
    return [CommandSpec(name="hello", help="Say [hello]", target="ganzoo_extra.commands:hello"),
            CommandSpec(name="mute", help="Say nothing", target="ganzoo_extra.no:mute"),
            CommandSpec(name="talk loud", help="Shout", target="ganzoo_extra.commands:hello"),
            CommandSpec(name="talk never", help="Fail", target="ganzoo_extra.no:mute")]

@hookimpl
def ganzoo_step_logged(run, record):
    """Send this process a signal in the middle of training, if a test sets it."""
    if record["step"] == 5 and "GANZOO_TEST_SIGNAL" in os.environ:
        os.kill(os.getpid(), int(os.environ["GANZOO_TEST_SIGNAL"]))
'''
)

DATASET_SOURCE = '''
from PIL import Image
from ganzoo_core import Dataset, Metadata
from ganzoo_core.data.archive import open_files

class Gray(Dataset):
    """Each file of a folder or archive as a gray image, without labels and ages."""

    def __init__(self, config):
        super().__init__(config)
        self.files = open_files(config.path)

    def metadata(self):
        return Metadata(length=len(self.files.names))

    def load_image(self, index):
        return Image.new("L", (8, 8), index % 256)
'''

MODELS_SOURCE = """
from ganzoo_core import Model, ModelConfig

class Plain(ModelConfig):
    presets = {"quick": {"data": {"name": "shapes", "count": 8, "image_size": 8}}}

class Heavy(Model):
    def __init__(self, config, info):
        raise MemoryError
    def configure_optimizers(self):
        return {}
    def stages(self):
        return ()

class Buggy(Heavy):
    def __init__(self, config, info):
        raise KeyError("inside")
"""

COMMANDS_SOURCE = """
import click

@click.command()
@click.option("--name", default="you")
def hello(name):
    click.echo(f"hello {name}")
"""


@pytest.fixture(scope="session")
def extra_plugin_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PYTHONPATH of a plugin: data set `gray`, models that fail, two commands, a tracker."""
    target = tmp_path_factory.mktemp("extra")
    files = {
        "plugin.py": EXTRA_PLUGIN_SOURCE,
        "gray.py": DATASET_SOURCE,
        "models.py": MODELS_SOURCE,
        "commands.py": COMMANDS_SOURCE,
    }
    install_plugins(target, {"extra": ("0.3", files)})
    return str(target)


@pytest.fixture(scope="session")
def broken_plugins_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PYTHONPATH of plugins with one error each."""

    def plugin_registering(spec: str) -> str:
        return f"{IMPORTS}\n@hookimpl\ndef ganzoo_register(zoo):\n    zoo.add({spec})\n"

    cgan = 'ModelSpec(name="cgan", summary="Another", target="a.b:C")'
    codes = {
        "foo": "import nowhere_to_be_found\n",
        "twin": plugin_registering(cgan),
        "typo": f"{IMPORTS}\n@hookimpl\ndef ganzoo_registre(zoo):\n    pass\n",
        "future": plugin_registering(
            'ModelSpec(name="late", summary="s", target="a.b:C", api_version=99)'
        ),
        "quits": "raise SystemExit('[/foo] no license')\n",
        "greedy": f"{IMPORTS}\n@hookimpl\ndef ganzoo_commands():\n"
        '    names = "run", "data mine", "greet", "greet me"\n'
        '    return [CommandSpec(name=n, help="Mine", target="a.b:c") for n in names]\n',
    }
    target = tmp_path_factory.mktemp("bad")
    plugins = {name: ("0.2", {"plugin.py": code}) for name, code in codes.items()}
    install_plugins(target, plugins)
    return str(target)


@pytest.fixture(scope="session")
def trained_run(run_ganzoo: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of cgan, preset smoke, with checkpoints at steps 10 and 20. Copy it to change it."""
    home = tmp_path_factory.mktemp("trained")
    result = run_ganzoo(
        "run",
        "cgan",
        "--preset",
        "smoke",
        "--set",
        "data.count=64",
        "--set",
        "train.checkpoint_every=10",
        "--out",
        "runs/demo",
        cwd=home,
    )
    assert result.code == 0, result.err
    (home / "stdout.txt").write_text(result.out)
    return home / "runs" / "demo"
