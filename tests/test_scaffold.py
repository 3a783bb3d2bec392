"""`ganzoo new`: every kind installs, is listed, works, and passes its own tests."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import pip_install
from ganzoo_core.errors import OutputError, UsageError
from ganzoo_core.scaffold import KINDS, TEMPLATES, create_plugin

COMMON_FILES = {
    ".github/workflows/test.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "ganzoo_{}/__init__.py",
    "ganzoo_{}/plugin.py",
    "tests/test_{}.py",
}
FILES_BY_KIND = {
    "gan": {"config.py", "model.py"},
    "image-to-image": {"config.py", "model.py"},
    "composition": {"compositions/my-own.toml"},
    "dataset": {"config.py", "dataset.py"},
    "loss": {"config.py", "loss.py"},
    "term": {"config.py", "term.py"},
    "metric": {"metric.py"},
    "embedder": {"config.py", "model.py"},
}
NAME_BY_KIND = {kind: f"a-{kind}" for kind in KINDS}


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_scaffold_files(kind, tmp_path):
    folder = create_plugin("my-own", kind, tmp_path / "deep" / "inside")
    files = {name.format("my_own") for name in COMMON_FILES} | {
        f"ganzoo_my_own/{x}" for x in FILES_BY_KIND[kind]
    }
    assert list_files(folder) == files
    texts = [(folder / name).read_text() for name in files]
    assert not [text for text in texts if re.search("my.?plugin", text, re.IGNORECASE)]
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "ganzoo-my-own"
    assert project["project"]["entry-points"]["ganzoo.plugins"] == {
        "my-own": "ganzoo_my_own.plugin"
    }
    for path in folder.rglob("*.py"):
        compile(path.read_text(), path, "exec")


def test_model_template_length():
    lengths = [len(path.read_text().splitlines()) for path in TEMPLATES.glob("*/model.py")]
    assert len(lengths) == 3 and max(lengths) <= 102


INVALID_NAMES = {
    "My-Gan": "lower case",
    "my_gan": "lower case",
    "": "lower case",
    "../up": "lower case",
    "3d": "lower case",
    "x" * 41: "40",
    "json": "Python",
    "class": "Python",
    "model": "Model",
    "none": "None",
    "warning": "Warning",
    "cgan": "ganzoo-cgan",
    "hinge": "ganzoo-core",
    "tensorboard": "ganzoo-tensorboard",
    "core": "ganzoo_core",
    "ganzoo-cgan": "ganzoo-NAME",
}


@pytest.mark.parametrize("name", INVALID_NAMES)
def test_invalid_name_refused(name, tmp_path):
    with pytest.raises(UsageError, match=INVALID_NAMES[name]) as error:
        create_plugin(name, "gan", tmp_path / "new")
    assert "\n" not in str(error.value) and not (tmp_path / "new").exists()


def test_existing_folder_untouched(ganzoo_subprocess, tmp_path):
    (tmp_path / "here").mkdir()
    done = ganzoo_subprocess("new", "my-own", "--out", "here")
    assert done.code == 5 and "--out" in done.error
    assert not list_files(tmp_path / "here")
    done = ganzoo_subprocess("new", "my-own", "--kind", "gam", "--out", "there")
    assert done.code == 2 and "image-to-image" in done.error and not (tmp_path / "there").exists()


def test_file_as_parent_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        create_plugin("my-own", "gan", tmp_path / "file" / "new")


@pytest.fixture(scope="module")
def installed_scaffolds(tmp_path_factory):
    """(PYTHONPATH of all kinds, installed by pip; the folder of their sources)."""
    home = tmp_path_factory.mktemp("scaffolds")
    folders = [create_plugin(name, kind, home / kind) for kind, name in NAME_BY_KIND.items()]
    pip_install(home / "site", *folders)
    return str(home / "site"), home


def test_scaffolds_are_listed(ganzoo_subprocess, installed_scaffolds):
    done = ganzoo_subprocess("list", PYTHONPATH=installed_scaffolds[0])
    assert done.code == 0
    words = {tuple(line.split()[:2]) for line in done.out.splitlines()}
    kinds = {"gan": "model", "image-to-image": "model", "embedder": "model"}
    assert {(kinds.get(kind, kind), name) for kind, name in NAME_BY_KIND.items()} <= words
    assert ganzoo_subprocess("plugins", "--strict", PYTHONPATH=installed_scaffolds[0]).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_scaffold_tests_pass(run_ganzoo, installed_scaffolds, kind):
    path, home = installed_scaffolds
    done = run_ganzoo(
        str(home / kind),
        cwd=home,
        env={"PYTHONPATH": path},
        call="docs_runner:run_distribution_tests",
    )
    assert done.code == 0, done.out[-3000:]
    assert "failed" not in done.out


def test_scaffold_run_and_sample(run_shell, run_ganzoo, installed_scaffolds, tmp_path):
    """A run in a new interpreter, and a grid of its samples."""
    words = [sys.executable, "-m", "ganzoo_core.cli"]
    done = run_shell(
        *words,
        "run",
        "a-gan",
        "--preset",
        "smoke",
        "--out",
        "run",
        PYTHONPATH=installed_scaffolds[0],
    )
    assert done.code == 0 and "images" in done.out, done.err
    done = run_ganzoo(
        "sample",
        "run",
        "--out",
        "grid.png",
        cwd=tmp_path,
        env={"PYTHONPATH": installed_scaffolds[0]},
    )
    assert done.code == 0 and (tmp_path / "grid.png").stat().st_size > 500, done.err


def test_scaffold_loss_and_metric_usable(run_ganzoo, installed_scaffolds, tmp_path):
    env = {"PYTHONPATH": installed_scaffolds[0]}
    done = run_ganzoo(
        "run",
        "a-gan",
        "--preset",
        "smoke",
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
    done = run_ganzoo("evaluate", "r", "--metrics", "a-metric", "-n", "20", cwd=tmp_path, env=env)
    assert done.code == 0 and "contrast" in done.out, done.err


def test_workflow_is_valid_yaml(tmp_path):
    yaml = pytest.importorskip("yaml")
    folder = create_plugin("my-own", "gan", tmp_path / "new")
    steps = yaml.safe_load((folder / ".github/workflows/test.yml").read_text())["jobs"]["test"]
    assert "ganzoo check my-own" in {step.get("run") for step in steps["steps"]}
