"""`ganzoo weights publish`, and the weights that an installed plugin of a stranger ships."""

import dataclasses
import itertools
import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ganzoo_face_aging.testing import StubAgeEstimator

import ganzoo_core as gz
from conftest import clean_environ, pip_install
from ganzoo_core.config import build_config, parse_assignments
from ganzoo_core.errors import UsageError
from ganzoo_core.files import file_sha256
from ganzoo_core.interfaces import Auxiliaries
from ganzoo_core.training.publishing import draw_grid, train_command
from ganzoo_core.training.run_config import read_run_config
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import read_pretrained
from ganzoo_core.zoo import import_target, zoo

ROOT = Path(__file__).parents[1]
SHIPPED = sorted(ROOT.glob("plugins/*/ganzoo_*/weights/*/ganzoo.json"))
NAME = "cgan-shapes-32"
PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "ganzoo-stranger"
version = "0.7"
license = "{license}"
[project.entry-points."ganzoo.plugins"]
stranger = "ganzoo_stranger.plugin"
[tool.hatch.build.targets.wheel]
packages = ["ganzoo_stranger"]
"""
PLUGIN = """\
from ganzoo_core import hookimpl, shipped_weights

@hookimpl
def ganzoo_register(zoo):
    zoo.add(*shipped_weights("ganzoo_stranger", terms="For research only."))
"""


def make_plugin(folder, license_name="LicenseRef-research"):
    """Write the source of a plugin without weights."""
    package = folder / "ganzoo_stranger"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(PLUGIN)
    (folder / "pyproject.toml").write_text(PYPROJECT.format(license=license_name))
    return folder


@pytest.fixture(scope="module")
def evaluated_run(run_ganzoo, trained_run, tmp_path_factory):
    """A copy of the trained run, evaluated."""
    home = tmp_path_factory.mktemp("evaluated")
    shutil.copytree(trained_run, home / "demo")
    done = run_ganzoo(
        *("evaluate", "demo", "-n", "14", "--metrics", "class-histogram", "-q"), cwd=home
    )
    assert done.code == 0, done.err
    return home / "demo"


@pytest.fixture(scope="module")
def published(run_ganzoo, evaluated_run, tmp_path_factory):
    """The source of a plugin with published weights."""
    plugin = make_plugin(tmp_path_factory.mktemp("source") / "stranger")
    words = ("--metric", "class-histogram: class_coverage", "--include-module", "discriminator")
    done = run_ganzoo(
        *("weights", "publish", evaluated_run, NAME, "--to", plugin, *words), cwd=plugin.parent
    )
    assert done.code == 0, done.err
    assert done.out == f"{plugin}/ganzoo_stranger/weights/{NAME}\n" and " MB" in done.err
    return plugin


@pytest.fixture(scope="module")
def site(published, tmp_path_factory):
    """PYTHONPATH of the installed plugin."""
    target = tmp_path_factory.mktemp("site")
    pip_install(target, published)
    return target


def weights_folder(root):
    return root / "ganzoo_stranger" / "weights" / NAME


def test_published_folder(published, evaluated_run):
    pretrained = read_pretrained(weights_folder(published))
    assert set(pretrained.index["files"]) == {
        *("README.md", "evaluation.json", "samples.png", "model.safetensors"),
        *("discriminator.safetensors", "training_images.safetensors"),
    }
    assert pretrained.index["precision"] == "fp16" and pretrained.index["steps"] == 20
    evaluation = json.loads((pretrained.path / "evaluation.json").read_text())
    assert evaluation["model"] == f"cgan ({NAME})"
    model = gz.load(pretrained.path, device="cpu", include_training_modules=True)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    trained = gz.load(evaluated_run, device="cpu")
    assert (model.sample(8) - trained.sample(8)).abs().max() < 0.05
    text = (pretrained.path / "README.md").read_text()
    assert "ganzoo run cgan --preset smoke" in text
    data = read_run_config(RunFolder(evaluated_run))[1].tree()["data"]
    assert data.pop("path") == "" and pretrained.index["published"]["data"] == data


def test_publishing_again_gives_equal_bytes(published, evaluated_run, run_ganzoo):
    folder = weights_folder(published)
    before = {path.name: file_sha256(path) for path in folder.iterdir()}
    words = ("weights", "publish", evaluated_run, NAME, "--to", published, "--replace", "--json")
    more = ("--metric", "class-histogram: class_coverage", "--include-module", "discriminator")
    done = run_ganzoo(*words, *more, cwd=published)
    facts = json.loads(done.out)
    assert facts["sha256"] == before["ganzoo.json"]
    assert facts["size"] == sum(path.stat().st_size for path in folder.iterdir())
    assert {path.name: file_sha256(path) for path in folder.iterdir()} == before


def test_command_gives_the_options_of_the_run(evaluated_run):
    folder = RunFolder(evaluated_run)
    words = shlex.split(train_command(folder))
    assert words[:5] == ["ganzoo", "run", "cgan", "--preset", "smoke"] and "--out" not in words
    assignments = [word for flag, word in itertools.pairwise(words) if flag == "--set"]
    again = build_config("cgan", preset="smoke", patches=[parse_assignments(assignments)]).tree()
    expected = read_run_config(folder)[1].tree()
    assert again["train"].pop("device") == "auto" and expected["train"].pop("device") == "cpu"
    assert again == expected


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        ((NAME,), 5, "--replace"),
        (("Bad_Name",), 2, "'Bad_Name'"),
        (("new", "--metric", "class-histogram: class_coverag"), 2, '"class-histogram: class_cove'),
        (("new", "--include-module", "discrim"), 2, '"discriminator"'),
        (("new", "--best"), 6, "train.monitor"),
        (("new", "--to", "nowhere"), 2, "no pyproject.toml"),
    ],
)
def test_publish_refuses(words, code, named, *, run_ganzoo, published, evaluated_run):
    to = () if "--to" in words else ("--to", published)
    done = run_ganzoo("weights", "publish", evaluated_run, *words, *to, cwd=published)
    assert done.code == code and named in done.error and "Traceback" not in done.err, done.err
    assert [path.name for path in weights_folder(published).parent.iterdir()] == [NAME]


def test_publish_needs_the_evaluation_of_these_weights(
    run_ganzoo, trained_run, published, evaluated_run, tmp_path
):
    words = ("weights", "publish", trained_run, "new", "--to", published)
    done = run_ganzoo(*words, cwd=tmp_path)
    assert done.code == 6 and f"ganzoo evaluate {trained_run}" in done.error
    shutil.copytree(evaluated_run, tmp_path / "run")
    path = tmp_path / "run" / "report" / "evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "weights_sha256": "0" * 64}))
    done = run_ganzoo(*words[:2], "run", *words[3:], cwd=tmp_path)
    assert done.code == 6 and "other weights" in done.error
    assert not (weights_folder(published).parent / "new").exists()


def test_restricted_weights_need_a_package_of_their_terms(run_ganzoo, evaluated_run, tmp_path):
    plugin = make_plugin(tmp_path / "open", "MIT")
    shutil.copytree(evaluated_run, tmp_path / "run")
    index = tmp_path / "run" / "weights" / "ganzoo.json"
    text = index.read_text().replace(
        '"license": "Apache-2.0",\n    "name"', '"license": "research only",\n    "name"'
    )
    index.write_text(text)
    words = ("weights", "publish", "run", "new", "--to", plugin)
    done = run_ganzoo(*words, cwd=tmp_path)
    assert done.code == 2 and "research only" in done.error and "MIT" in done.error
    index.write_text(text.replace("research only", "CC0-1.0"))
    assert run_ganzoo(*words, cwd=tmp_path).code == 0


def test_grid_of_restricted_translations_shows_generated_images(trained_run, tmp_path):
    info = dataclasses.replace(read_pretrained(trained_run / "weights").info, license="research")
    options = build_config("pfa-gan", preset="smoke").model
    model = import_target(zoo().model("pfa-gan").target)(options, info)
    pretrained = read_pretrained(model.save_pretrained(tmp_path / "weights"))
    model.auxiliaries = Auxiliaries({"age": StubAgeEstimator()})
    run = RunFolder(tmp_path)
    with pytest.raises(UsageError, match="--inputs"):
        draw_grid(run, model, 0, "", pretrained)
    grids = [draw_grid(run, model, seed, trained_run, pretrained) for seed in (0, 0, 1)]
    assert grids[0] == grids[1] != grids[2]
    wide = import_target(zoo().model("pfa-gan").target)(
        options, dataclasses.replace(info, image_size=64)
    )
    with pytest.raises(UsageError, match="of this size"):
        draw_grid(run, wide, 0, trained_run, pretrained)


# --- installed weights ----------------------------------------------------------------------------


def run_without_torch(*words, **env):
    """Run `ganzoo WORDS` where torch cannot be imported."""
    code = (
        "import sys\nsys.modules['torch'] = None\n"
        f"from ganzoo_core.cli.main import main\nmain({list(map(str, words))!r})"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environ(**env),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [("list", "weights"), ("weights", "list")])
def test_list_shows_what_weights_can_do(words, site):
    done = run_without_torch(*words, "--json", PYTHONPATH=str(site))
    record = next(row for row in json.loads(done.stdout) if row["name"] == NAME)
    folder = weights_folder(site)
    assert record["size"] == sum(
        path.stat().st_size for path in folder.iterdir() if path.name != "ganzoo.json"
    )
    assert record["capabilities"] == ["sample"] and record["license"] == "Apache-2.0"
    assert record["metric"].startswith("class-histogram: class_coverage ")
    assert record["sha256"] == file_sha256(folder / "ganzoo.json")
    table = run_without_torch(*words, PYTHONPATH=str(site)).stdout
    assert f"{record['size'] / 1e6:.1f} MB" in table and record["metric"] in table


@pytest.mark.parametrize("words", [("sample", "--out", "a.png"), ("evaluate",), ("run", "cgan")])
def test_unknown_name_gets_the_closest_without_torch(words, site, tmp_path):
    typed = NAME.replace("-32", "-3")
    verb, *rest = words
    arguments = (*rest, "--init-from", typed) if verb == "run" else (typed, *rest)
    done = run_without_torch(verb, *arguments, PYTHONPATH=str(site))
    assert done.returncode == 6 and f'Did you mean "{NAME}"?' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_name_works_in_every_verb(site, published, run_ganzoo, tmp_path):
    env = {"PYTHONPATH": str(site), "GANZOO_ACCEPT_LICENSES": f"other,{NAME}"}
    evaluation = shlex.split("--set data.count=40 -n 8 --metrics class-histogram -q")
    words = [
        ("sample", NAME, "-n", "6", "--out", "named.png"),
        ("sample", weights_folder(published), "-n", "6", "--out", "folder.png"),
        ("weights", "verify", NAME),
        ("weights", "diff", NAME, weights_folder(published)),
        ("weights", "export", NAME, "copy"),
        ("info", NAME),
        ("info", weights_folder(published)),
        ("evaluate", NAME, *evaluation),
        ("visualize", NAME, "--net", "discriminator"),
        ("run", "cgan", "--preset", "smoke", "--init-from", NAME, "--steps", "1", "-q"),
    ]
    for line in words:
        done = run_ganzoo(*line, cwd=tmp_path, env=env)
        assert done.code == 0, f"{line}\n{done.err}"
    assert (tmp_path / "named.png").read_bytes() == (tmp_path / "folder.png").read_bytes()
    init = read_pretrained(next(tmp_path.glob("runs/cgan-*/weights"))).index["init_from"]
    assert init["sha256"] == file_sha256(weights_folder(site) / "ganzoo.json")


def test_evaluation_on_data_that_need_a_path_names_the_option(run_ganzoo, tmp_path):
    done = run_ganzoo("evaluate", "dcgan-fashion-32", "-q", cwd=tmp_path)
    assert done.code == 3 and "--data fashion-mnist:" in done.error, done.err


def test_terms_are_accepted_by_name_or_once(site, run_ganzoo, tmp_path):
    env = {"PYTHONPATH": str(site), "GANZOO_CACHE": str(tmp_path / "cache")}
    done = run_without_torch("sample", NAME, "--out", "a.png", **env)
    assert done.returncode == 9 and "For research only." in done.stderr
    assert "GANZOO_ACCEPT_LICENSES=ganzoo-stranger" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    find = "from ganzoo_core.zoo import locate_weights as l; print(l('cgan-shapes-32'))"
    accepted = {**env, "GANZOO_ACCEPT_LICENSES": "ganzoo-stranger"}
    words = [sys.executable, "-c", find]
    assert subprocess.run(words, env=clean_environ(**accepted), check=False).returncode == 0
    for answer, code in ((b"n\n", 1), (b"y\n", 0), (b"", 0)):
        controller, terminal = pty.openpty()
        os.write(controller, answer)
        done = subprocess.run(
            words, stdin=terminal, stderr=terminal, env=clean_environ(**env), check=False
        )
        os.close(terminal)
        os.close(controller)
        assert done.returncode == code, answer


def test_package_without_files_or_with_damaged_ones(site, run_ganzoo, tmp_path):
    for name in ("gone", "truncated", "damaged"):
        shutil.copytree(site, tmp_path / name)
    accepted = {"GANZOO_ACCEPT_LICENSES": NAME}
    file = weights_folder(tmp_path / "gone") / "model.safetensors"
    file.unlink()
    env = {"PYTHONPATH": str(tmp_path / "gone"), **accepted}
    done = run_without_torch("sample", NAME, "--out", "a.png", **env)
    assert done.returncode == 4 and "ganzoo-stranger 0.7" in done.stderr
    assert "without the files" in done.stderr and len(done.stderr.splitlines()) == 1
    file = weights_folder(tmp_path / "truncated") / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    env = {"PYTHONPATH": str(tmp_path / "truncated"), **accepted}
    done = run_ganzoo("sample", NAME, "--out", "a.png", cwd=tmp_path, env=env)
    assert done.code == 6 and "model.safetensors" in done.error and "Traceback" not in done.err
    (weights_folder(tmp_path / "damaged") / "ganzoo.json").write_text("{")
    done = run_without_torch("list", "--json", PYTHONPATH=str(tmp_path / "damaged"))
    broken = [row for row in json.loads(done.stdout) if row["state"] == "broken"]
    assert [row["name"] for row in broken] == ["stranger"] and "ganzoo.json" in broken[0]["error"]


# --- the weights of this repository ---------------------------------------------------------------


def test_shipped_weights_are_small():
    files = [path for index in SHIPPED for path in index.parent.iterdir()]
    assert sum(path.stat().st_size for path in files) < 60_000_000


@pytest.mark.parametrize("index", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_weights_are_whole(index):
    pretrained = read_pretrained(index.parent)
    assert pretrained.index["precision"] == "fp16" and pretrained.index["published"]["command"]
    assert {"README.md", "evaluation.json"} <= set(pretrained.index["files"])
    data_name = pretrained.index["published"]["data"]["name"]
    assert data_name == pretrained.info.name
    summary = zoo().dataset(data_name).summary
    assert f"| images | {summary} |" in (index.parent / "README.md").read_text()
    if {"sample", "translate"} & set(pretrained.index["capabilities"]):
        assert "samples.png" in pretrained.index["files"]
    texts = [p.read_text() for p in index.parent.iterdir() if p.suffix in {".json", ".md"}]
    assert not any(f"{root}/" in text for text in texts for root in ("/tmp", "/home", "/work"))
