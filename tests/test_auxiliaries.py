"""Auxiliary networks: found by role, frozen, identified by sha256, the same ones on resume."""

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from conftest import install_plugins
from ganzoo_core.errors import PluginError, WeightsError
from ganzoo_core.files import file_sha256
from ganzoo_core.interfaces import (
    Auxiliaries,
    DataInfo,
    HasFeatures,
    SupportsEmbedding,
)
from ganzoo_core.testing.stubs import StubAuxiliary
from ganzoo_core.weights import PretrainedAuxiliary, PretrainedFolder
from ganzoo_core.zoo import package_folder

EMBEDDER_PLUGIN_SOURCE = """
from ganzoo_core import EvaluatorSpec, ModelSpec, hookimpl

@hookimpl
def ganzoo_register(zoo):
    zoo.add(
        ModelSpec(name="embedder", summary="s", target="ganzoo_embedder.model:Embedder",
                  config="ganzoo_embedder.model:EmbedderConfig", capabilities=("embed",)),
        EvaluatorSpec(name="shipped", summary="s", target="ganzoo_embedder:networks/shipped",
                  role="identity", train_data="shapes"),
        EvaluatorSpec(name="held-out", summary="s", target="ganzoo_embedder:networks/held-out",
                  role="identity", train_data="shapes", held_out=True),
        EvaluatorSpec(name="missing", summary="s", target="ganzoo_embedder:networks/none",
                  role="style"),
    )
"""
EMBEDDER_MODEL_SOURCE = """
from torch import nn
from torch.nn.functional import normalize
from ganzoo_core import Adam, BatchSpec, Model, ModelConfig, OptimizerSpec, Phase, Stage

class EmbedderConfig(ModelConfig):
    presets = {"smoke": {"data": {"name": "shapes", "count": 16, "image_size": 16},
                        "train": {"batch_size": 4, "steps": 2}}, "quick": {}}

class Embedder(Model):
    inference_modules = ("net",)
    input_size = 16

    def __init__(self, config, info):
        super().__init__(config, info)
        self.net = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Flatten())

    def embed(self, image):
        return normalize(self.net(image))

    def loss(self, ctx):
        return self.net(ctx.batch.image).square().mean()

    def configure_optimizers(self):
        return {"net": OptimizerSpec(("net",), Adam())}

    def stages(self):
        return (Stage("all", (Phase("net", "net", self.loss),), BatchSpec(), epochs=1),)
"""
STUDENT_PLUGIN_SOURCE = """
from ganzoo_core import ModelSpec, hookimpl

@hookimpl
def ganzoo_register(zoo):
    zoo.add(ModelSpec(name="student", summary="s", target="ganzoo_student.model:Student",
                      config="ganzoo_student.model:StudentConfig", auxiliaries=("identity",),
                      paper="none", license="Apache-2.0"))
"""
STUDENT_SOURCE = '''
from torch import nn
from ganzoo_core import (Adam, AuxiliaryConfig, BatchSpec, Config, Model, ModelConfig,
                         OptimizerSpec, Phase, Stage)

class AuxiliariesConfig(Config):
    identity: AuxiliaryConfig = AuxiliaryConfig()

class StudentConfig(ModelConfig):
    auxiliaries: AuxiliariesConfig = AuxiliariesConfig()
    presets = {"smoke": {"data": {"name": "shapes", "count": 16, "image_size": 16},
                        "train": {"batch_size": 4, "steps": 4}}, "quick": {}}

class Student(Model):
    """Generates images whose embeddings are close to those of the batch."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator = nn.Sequential(nn.Linear(4, 3 * 16 * 16), nn.Tanh(),
                                       nn.Unflatten(1, (3, 16, 16)))

    def generate(self, n, label, rng):
        return self.generator(rng.randn(n, 4))

    def loss(self, ctx):
        identity = self.auxiliaries["identity"]
        fake = self.generate(len(ctx.batch), None, ctx)
        return (identity.embed(ctx.batch.image) - identity.embed(fake)).square().sum(1).mean()

    def configure_optimizers(self):
        return {"g": OptimizerSpec(("generator",), Adam(lr=1e-2))}

    def stages(self):
        return (Stage("all", (Phase("g", "g", self.loss),), BatchSpec(), epochs=1),)
'''


@pytest.fixture(scope="module")
def ganzoo_with_plugins(run_ganzoo, tmp_path_factory):
    """Call `ganzoo` with two plugins: one ships embedders, the other has a model that uses them."""
    target, home = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("home")
    plugins = {
        "embedder": (
            "1.0",
            {"plugin.py": EMBEDDER_PLUGIN_SOURCE, "model.py": EMBEDDER_MODEL_SOURCE},
        ),
        "student": ("1.0", {"plugin.py": STUDENT_PLUGIN_SOURCE, "model.py": STUDENT_SOURCE}),
    }
    install_plugins(target, plugins)

    def call(*args, cwd=home, **env):
        return run_ganzoo(*args, cwd=cwd, env={"PYTHONPATH": str(target), **env})

    call.shipped, call.home = target / "ganzoo_embedder" / "networks", home
    for seed, name in enumerate(("shipped", "held-out")):
        done = call(
            "run", "embedder", "--preset", "smoke", "--seed", seed, "--out", name, "--quiet"
        )
        assert done.code == 0, done.err
        shutil.copytree(home / name / "weights", call.shipped / name)
    return call


def run_model(ganzoo_with_plugins, tmp_path, *args, **env):
    return ganzoo_with_plugins(
        "run", "student", "--preset", "smoke", "--quiet", *args, cwd=tmp_path, **env
    )


def read_index(folder):
    return json.loads((Path(folder) / "ganzoo.json").read_text())


def test_shipped_auxiliary_found_and_recorded(ganzoo_with_plugins, tmp_path):
    assert run_model(ganzoo_with_plugins, tmp_path, "--out", "run").code == 0
    digest = file_sha256(ganzoo_with_plugins.shipped / "shipped" / "ganzoo.json")
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    recorded = config["provenance"]["auxiliaries"]["identity"]
    assert recorded["sha256"] == digest and recorded["name"] == "shipped"
    expected = {"role": "identity", "model": "embedder", "sha256": digest, "data": "shapes"}
    index = read_index(tmp_path / "run" / "weights")
    assert index["auxiliaries"] == [{**expected, "name": "shipped"}]
    alone = {"GANZOO_PLUGINS": "shapes,student"}  # sampling does not load the auxiliary network
    done = ganzoo_with_plugins("sample", "run", "-n", 2, "--out", "x.png", cwd=tmp_path, **alone)
    assert done.code == 0, done.err


def test_resume_finds_moved_auxiliary(ganzoo_with_plugins, tmp_path):
    shutil.copytree(ganzoo_with_plugins.home / "held-out", tmp_path / "mine")
    named = ("--set", "model.auxiliaries.identity.weights=mine")
    for out, steps in (("short", 3), ("straight", 6)):
        done = run_model(ganzoo_with_plugins, tmp_path, *named, "--out", out, "--steps", steps)
        assert done.code == 0, done.err
    (tmp_path / "mine").rename(tmp_path / "moved")  # the plugin ships the same weights
    done = ganzoo_with_plugins("resume", "short", "--steps", 6, cwd=tmp_path)
    assert done.code == 0, done.err
    sums = [
        read_index(tmp_path / n / "weights")["files"]["model.safetensors"]
        for n in ("short", "straight")
    ]
    assert sums[0] == sums[1]


def test_resume_refuses_changed_auxiliary(ganzoo_with_plugins, tmp_path):
    words = ("run", "embedder", "--preset", "smoke", "--seed", 7, "--out", "own")
    assert ganzoo_with_plugins(*words, cwd=tmp_path).code == 0
    words = ("--set", "model.auxiliaries.identity.weights=own", "--out", "run")
    assert run_model(ganzoo_with_plugins, tmp_path, *words).code == 0
    shutil.rmtree(tmp_path / "own")
    shutil.copytree(ganzoo_with_plugins.home / "held-out", tmp_path / "own")
    done = ganzoo_with_plugins("resume", "run", "--steps", 6, cwd=tmp_path)
    assert done.code == 6 and "identity" in done.error


@pytest.mark.parametrize(
    ("weights", "code", "message"),
    [
        ("held-out", 0, ""),  # named explicitly
        ("shiped", 6, 'Did you mean "shipped"'),
        ("no/folder", 6, "no/folder"),
        ("missing", 2, "'style'"),
        ("{trained}", 6, "embed()"),
    ],
)
def test_auxiliary_weights_option(
    ganzoo_with_plugins, tmp_path, trained_run, *, weights, code, message
):
    option = f"model.auxiliaries.identity.weights={weights.format(trained=trained_run)}"
    done = run_model(ganzoo_with_plugins, tmp_path, "--set", option, "--out", "run")
    assert done.code == code and message in done.error, done.err
    assert (tmp_path / "run").exists() == (code == 0)  # an error comes before the run folder


def test_missing_auxiliary_error(ganzoo_with_plugins, tmp_path):
    done = run_model(ganzoo_with_plugins, tmp_path, GANZOO_PLUGINS="shapes,student")
    assert done.code == 4 and len(done.err.strip().splitlines()) == 1
    assert "identity" in done.error
    assert "model.auxiliaries.identity.weights" in done.error or "pip install" in done.error


def test_checks_pass_with_stand_in_auxiliaries(ganzoo_with_plugins, tmp_path):
    names = (
        "auxiliaries-not-in-state",
        "gradients-reach-parameters",
        "weights-change",
        "resume-is-exact",
        "works-from-pretrained",
    )
    only = [word for name in names for word in ("--only", name)]
    done = ganzoo_with_plugins(
        "check", "student", *only, cwd=tmp_path, GANZOO_PLUGINS="shapes,student"
    )
    assert done.code == 0, done.out
    assert len(done.out.splitlines()) == len(names)


def test_list_and_doctor_show_evaluators(ganzoo_with_plugins, tmp_path):
    rows = json.loads(ganzoo_with_plugins("list", "evaluator", "--json", cwd=tmp_path).out)
    names = {r["name"] for r in rows if r["origin"] == "ganzoo-embedder 1.0"}
    assert names == {"shipped", "held-out", "missing"}
    done = ganzoo_with_plugins("doctor", cwd=tmp_path)
    assert done.code == 4 and "networks/none" in done.out


def test_other_render_version_refused():
    info = DataInfo(image_size=16, name="rendered", version="render 1")
    found = PretrainedAuxiliary("age", PretrainedFolder(Path("x"), {"data": info.to_json()}))
    found.check_data_version(info)
    found.check_data_version(DataInfo(image_size=16, name="photographs"))
    with pytest.raises(WeightsError, match=r"render 1.*render 2"):
        found.check_data_version(replace(info, version="render 2"))


def test_auxiliaries_are_built_lazily():
    built = []

    def build():
        built.append(StubAuxiliary())
        return built[0]

    auxiliaries = Auxiliaries({"age": build, "identity": nn.Linear(1, 1)}, {"age": {"sha256": "0"}})
    auxiliaries.to(torch.device("meta"))
    assert sorted(auxiliaries) == ["age", "identity"] and not built
    assert auxiliaries["age"].module is auxiliaries["age"].module is built[0]
    assert len(built) == 1
    assert built[0].layers[0].weight.device.type == "meta" and not built[0].training
    assert not any(p.requires_grad for p in built[0].parameters())


def test_stand_in_implements_all_protocols():
    stand_in = StubAuxiliary()
    for protocol in (SupportsEmbedding, HasFeatures):
        assert isinstance(stand_in, protocol)
    image = torch.rand(2, 3, 40, 40, requires_grad=True)
    stand_in.features(image).sum().backward()
    assert image.grad.abs().sum() > 0
    assert torch.allclose(stand_in.embed(image).norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("target", ["ganzoo_core:../tests", "nowhere:x", "json:a", "a.b:c"])
def test_package_folder_refuses_outside_paths(target):
    with pytest.raises(PluginError):
        package_folder(target)
