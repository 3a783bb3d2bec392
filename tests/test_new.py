"""`ganzoo new`: every kind installs, stands in the list, works, and passes its own tests."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import clean_env
from ganzoo_core.errors import OutputError, UsageError
from ganzoo_core.scaffold import KINDS, TEMPLATES, create

EVERY = {
    ".github/workflows/test.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "ganzoo_{}/__init__.py",
    "ganzoo_{}/plugin.py",
    "tests/test_{}.py",
}
OWN = {
    "gan": {"config.py", "model.py"},
    "image-to-image": {"config.py", "model.py"},
    "dataset": {"config.py", "dataset.py"},
    "loss": {"config.py", "loss.py"},
    "metric": {"metric.py"},
    "embedder": {"config.py", "model.py"},
}
NAMES = {kind: f"a-{kind}" for kind in KINDS}


def made(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_of_a_kind(kind, tmp_path):
    folder = create("my-own", kind, tmp_path / "deep" / "inside")
    files = {name.format("my_own") for name in EVERY} | {f"ganzoo_my_own/{x}" for x in OWN[kind]}
    assert made(folder) == files
    texts = [(folder / name).read_text() for name in files]
    assert not [text for text in texts if re.search("my.?plugin", text, re.IGNORECASE)]
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "ganzoo-my-own"
    assert project["project"]["entry-points"]["ganzoo.plugins"] == {
        "my-own": "ganzoo_my_own.plugin"
    }
    for path in folder.rglob("*.py"):
        compile(path.read_text(), path, "exec")


def test_a_model_file_has_under_a_hundred_lines():
    lengths = [len(path.read_text().splitlines()) for path in TEMPLATES.glob("*/model.py")]
    assert len(lengths) == 3 and max(lengths) < 100


BAD = {
    "My-Gan": "lower case words",
    "my_gan": "lower case words",
    "": "lower case words",
    "../up": "lower case words",
    "3d": "lower case words",
    "x" * 41: "40 letters",
    "json": "word of Python",
    "class": "word of Python",
    "model": "a class Model",
    "none": "a class None",
    "warning": "a class Warning",
    "cgan": "taken, by ganzoo-cgan",
    "hinge": "taken, by ganzoo-core",
    "tensorboard": "taken, by ganzoo-tensorboard",
    "core": "a package ganzoo_core",
    "ganzoo-cgan": "leave the word ganzoo out",
}


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_does_not_do_is_one_line(name, tmp_path):
    with pytest.raises(UsageError, match=BAD[name]) as error:
        create(name, "gan", tmp_path / "new")
    assert "\n" not in str(error.value) and not (tmp_path / "new").exists()


def test_a_folder_that_exists_is_left_alone(command, tmp_path):
    (tmp_path / "here").mkdir()
    done = command("new", "my-own", "--out", "here")
    assert done.code == 5 and "here exists: name another folder with --out" in done.error
    assert not made(tmp_path / "here")
    done = command("new", "my-own", "--kind", "gam", "--out", "there")
    assert done.code == 2 and "image-to-image" in done.error and not (tmp_path / "there").exists()


def test_a_file_in_the_way_leaves_nothing(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        create("my-own", "gan", tmp_path / "file" / "new")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """(PYTHONPATH of all six kinds, installed by pip; the folder of their sources)."""
    home = tmp_path_factory.mktemp("made")
    folders = [create(name, kind, home / kind) for kind, name in NAMES.items()]
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
            home / "site",
            *folders,
        ],
        check=True,
        env=clean_env(),
    )
    return str(home / "site"), home


def test_they_stand_in_the_list(command, site):
    done = command("list", PYTHONPATH=site[0])
    assert done.code == 0
    words = {tuple(line.split()[:2]) for line in done.out.splitlines()}
    kinds = {"gan": "model", "image-to-image": "model", "embedder": "model"}
    assert {(kinds.get(kind, kind), name) for kind, name in NAMES.items()} <= words
    assert command("plugins", "--strict", PYTHONPATH=site[0]).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(ganzoo, site, kind):
    path, home = site
    done = ganzoo(str(home / kind), cwd=home, env={"PYTHONPATH": path}, call="walk:run_tests")
    assert done.code == 0, done.out[-3000:]
    assert "failed" not in done.out


def test_the_first_picture(shell, ganzoo, site, tmp_path):
    """A run from nothing, as a shell starts it, and a grid drawn from it."""
    words = [sys.executable, "-m", "ganzoo_core.cli"]
    done = shell(*words, "run", "a-gan", "--preset", "tiny", "--out", "run", PYTHONPATH=site[0])
    assert done.code == 0 and "pictures" in done.out, done.err
    done = ganzoo("sample", "run", "--out", "grid.png", cwd=tmp_path, env={"PYTHONPATH": site[0]})
    assert done.code == 0 and (tmp_path / "grid.png").stat().st_size > 500, done.err


def test_a_loss_and_a_metric_are_taken_by_others(ganzoo, site, tmp_path):
    env = {"PYTHONPATH": site[0]}
    done = ganzoo(
        "run",
        "a-gan",
        "--preset",
        "tiny",
        "--steps",
        "4",
        "--set",
        "model.loss.kind=a-loss",
        "--set",
        "model.loss.temperature=2",
        "--data",
        "a-dataset",
        "--out",
        "r",
        cwd=tmp_path,
        env=env,
    )
    assert done.code == 0, done.err
    done = ganzoo("evaluate", "r", "--metrics", "a-metric", "-n", "20", cwd=tmp_path, env=env)
    assert done.code == 0 and "contrast ratio" in done.out, done.err


def test_the_workflow_is_yaml(tmp_path):
    yaml = pytest.importorskip("yaml")
    folder = create("my-own", "gan", tmp_path / "new")
    steps = yaml.safe_load((folder / ".github/workflows/test.yml").read_text())["jobs"]["test"]
    assert "ganzoo check my-own" in {step.get("run") for step in steps["steps"]}
