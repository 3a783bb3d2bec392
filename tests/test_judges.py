"""Judges by role: shipped by any plugin, frozen, known by sha256, the same ones on resume."""

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from conftest import install
from ganzoo_core.errors import PluginError, WeightsError
from ganzoo_core.files import sha256
from ganzoo_core.interfaces import DataInfo, Embeds, EstimatesAge, HasAgeLogits, HasFeatures, Judges
from ganzoo_core.testing.standins import StandIn
from ganzoo_core.weights import Bundle, FoundJudge
from ganzoo_core.zoo import package_folder

EYES = """
from ganzoo_core import JudgeSpec, ModelSpec, hookimpl

@hookimpl
def ganzoo_register(zoo):
    zoo.add(
        ModelSpec(name="eyes", summary="s", target="ganzoo_eyes.model:Eyes",
                  config="ganzoo_eyes.model:EyesConfig", can=("embed",)),
        JudgeSpec(name="keen", summary="s", target="ganzoo_eyes:judges/keen", role="identity",
                  data="shapes"),
        JudgeSpec(name="fair", summary="s", target="ganzoo_eyes:judges/fair", role="identity",
                  data="shapes", held_out=True),
        JudgeSpec(name="lost", summary="s", target="ganzoo_eyes:judges/none", role="taste"),
    )
"""
EYES_MODEL = """
from torch import nn
from torch.nn.functional import normalize
from ganzoo_core import Adam, Draw, Model, ModelConfig, Player, Stage, Step

class EyesConfig(ModelConfig):
    presets = {"tiny": {"data": {"name": "shapes", "count": 16, "size": 16},
                        "train": {"batch": 4, "steps": 2}}, "quick": {}}

class Eyes(Model):
    serves = ("net",)
    input_size = 16

    def __init__(self, config, info):
        super().__init__(config, info)
        self.net = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Flatten())

    def embed(self, image):
        return normalize(self.net(image))

    def loss(self, t):
        return self.net(t.batch.image).square().mean()

    def players(self):
        return {"net": Player(("net",), Adam())}

    def stages(self):
        return (Stage("all", (Step("net", "net", self.loss),), Draw(), epochs=1),)
"""
PUPIL = """
from ganzoo_core import ModelSpec, hookimpl

@hookimpl
def ganzoo_register(zoo):
    zoo.add(ModelSpec(name="pupil", summary="s", target="ganzoo_pupil.model:Pupil",
                      config="ganzoo_pupil.model:PupilConfig", uses=("identity",),
                      paper="none", license="Apache-2.0"))
"""
PUPIL_MODEL = '''
from torch import nn
from ganzoo_core import Adam, Draw, JudgeConfig, Model, ModelConfig, Player, Stage, Step

class PupilConfig(ModelConfig):
    identity: JudgeConfig = JudgeConfig()
    presets = {"tiny": {"data": {"name": "shapes", "count": 16, "size": 16},
                        "train": {"batch": 4, "steps": 4}}, "quick": {}}

class Pupil(Model):
    """Learns an image that the judge cannot tell from the batch."""

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator = nn.Sequential(nn.Linear(4, 3 * 16 * 16), nn.Tanh(),
                                       nn.Unflatten(1, (3, 16, 16)))

    def generate(self, n, label, noise):
        return self.generator(noise(n, 4))

    def loss(self, t):
        judge = self.judges["identity"]
        fake = self.generate(len(t.batch), None, t.noise)
        return (judge.embed(t.batch.image) - judge.embed(fake)).square().sum(1).mean()

    def players(self):
        return {"g": Player(("generator",), Adam(lr=1e-2))}

    def stages(self):
        return (Stage("all", (Step("g", "g", self.loss),), Draw(), epochs=1),)
'''


@pytest.fixture(scope="module")
def school(ganzoo, tmp_path_factory):
    """Call `ganzoo` with two strangers' plugins: one ships judges, the other learns from them."""
    target, home = tmp_path_factory.mktemp("school"), tmp_path_factory.mktemp("home")
    plugins = {
        "eyes": ("1.0", {"plugin.py": EYES, "model.py": EYES_MODEL}),
        "pupil": ("1.0", {"plugin.py": PUPIL, "model.py": PUPIL_MODEL}),
    }
    install(target, tmp_path_factory.mktemp("source"), plugins)

    def call(*args, cwd=home, **env):
        return ganzoo(*args, cwd=cwd, env={"PYTHONPATH": str(target), **env})

    call.judges, call.home = target / "ganzoo_eyes" / "judges", home
    for seed, name in enumerate(("keen", "fair")):
        done = call("run", "eyes", "--preset", "tiny", "--seed", seed, "--out", name, "--quiet")
        assert done.code == 0, done.err
        shutil.copytree(home / name / "weights", call.judges / name)
    return call


def run(school, tmp_path, *args, **env):
    return school("run", "pupil", "--preset", "tiny", "--quiet", *args, cwd=tmp_path, **env)


def index(folder):
    return json.loads((Path(folder) / "ganzoo.json").read_text())


def test_a_shipped_judge_is_found_by_role_and_recorded(school, tmp_path):
    assert run(school, tmp_path, "--out", "run").code == 0
    digest = sha256(school.judges / "keen" / "ganzoo.json")
    made = tomllib.loads((tmp_path / "run" / "config.toml").read_text())["made"]["judges"]
    assert made["identity"]["sha256"] == digest and made["identity"]["name"] == "keen"
    about = index(tmp_path / "run" / "weights")
    assert about["parents"] == [
        {"role": "identity", "model": "eyes", "sha256": digest, "data": "shapes", "name": "keen"}
    ]
    alone = {"GANZOO_PLUGINS": "shapes,pupil"}  # a judge is read when it is used: not to sample
    done = school("sample", "run", "-n", 2, "--out", "x.png", cwd=tmp_path, **alone)
    assert done.code == 0, done.err


def test_resume_takes_the_same_judge_wherever_it_lies_now(school, tmp_path):
    shutil.copytree(school.home / "fair", tmp_path / "mine")
    named = ("--set", "model.identity.weights=mine")
    assert run(school, tmp_path, *named, "--out", "short", "--steps", 3).code == 0
    assert run(school, tmp_path, *named, "--out", "straight", "--steps", 6).code == 0
    (tmp_path / "mine").rename(tmp_path / "moved")  # the plugin ships the same weights
    done = school("resume", "short", "--steps", 6, cwd=tmp_path)
    assert done.code == 0, done.err
    sums = [
        index(tmp_path / n / "weights")["files"]["model.safetensors"] for n in ("short", "straight")
    ]
    assert sums[0] == sums[1]


def test_resume_refuses_another_judge(school, tmp_path):
    assert (
        school("run", "eyes", "--preset", "tiny", "--seed", 7, "--out", "own", cwd=tmp_path).code
        == 0
    )
    assert run(school, tmp_path, "--set", "model.identity.weights=own", "--out", "run").code == 0
    shutil.rmtree(tmp_path / "own")
    shutil.copytree(school.home / "fair", tmp_path / "own")
    done = school("resume", "run", "--steps", 6, cwd=tmp_path)
    assert done.code == 6 and "is not here: it was moved, changed" in done.error


@pytest.mark.parametrize(
    ("weights", "code", "said"),
    [
        ("fair", 0, ""),  # held out, but asked for by name
        ("kean", 2, 'Did you mean "keen"'),
        ("no/folder", 6, "no/folder is no folder"),
        ("lost", 2, "lost judges 'taste', and 'identity' is asked for"),
        ("{trained}", 6, "holds cgan, which cannot serve as 'identity': it has no embed()"),
    ],
)
def test_weights_named_by_the_user(school, tmp_path, trained, *, weights, code, said):
    weights = weights.format(trained=trained)
    done = run(school, tmp_path, "--set", f"model.identity.weights={weights}", "--out", "run")
    assert done.code == code and said in done.error, done.err
    assert (tmp_path / "run").exists() == (code == 0)  # refused before anything is written


def test_a_missing_judge_is_one_line_with_the_remedy(school, tmp_path):
    done = run(school, tmp_path, GANZOO_PLUGINS="shapes,pupil")
    assert done.code == 4 and len(done.err.strip().splitlines()) == 1
    assert "no installed plugin ships a judge of 'identity'" in done.error
    assert "model.identity.weights" in done.error or "pip install" in done.error


def test_a_model_that_needs_judges_passes_the_checks_without_them(school, tmp_path):
    asked = ("judges-apart", "gradients", "learns", "resumes", "works-from-bundle")
    only = [word for name in asked for word in ("--only", name)]
    done = school("check", "pupil", *only, cwd=tmp_path, GANZOO_PLUGINS="shapes,pupil")
    assert done.code == 0, done.out
    assert len(done.out.splitlines()) == len(asked)


def test_list_and_doctor_know_judges(school, tmp_path):
    rows = json.loads(school("list", "judge", "--json", cwd=tmp_path).out)
    mine = {r["name"] for r in rows if r["origin"] == "ganzoo-eyes 1.0"}
    assert mine == {"keen", "fair", "lost"}
    done = school("doctor", cwd=tmp_path)
    assert done.code == 4 and "ganzoo_eyes holds no folder 'judges/none'" in done.out


def test_a_judge_of_another_renderer_is_refused():
    info = DataInfo(size=16, name="drawn", version="render 1")
    found = FoundJudge("age", Bundle(Path("x"), {"data": info.to_json()}))
    found.refuse_other_drawing(info)
    found.refuse_other_drawing(DataInfo(size=16, name="photographs"))
    with pytest.raises(WeightsError, match=r"learned from drawn \(render 1\).*these are render 2"):
        found.refuse_other_drawing(replace(info, version="render 2"))


def test_judges_are_made_when_they_are_asked_for():
    made = []

    def make():
        made.append(StandIn())
        return made[0]

    judges = Judges({"age": make, "identity": nn.Linear(1, 1)}, {"age": {"sha256": "0"}})
    judges.to(torch.device("meta"))
    assert sorted(judges) == ["age", "identity"] and not made
    assert judges["age"].module is made[0] and judges["age"].module is made[0] and len(made) == 1
    assert made[0].age.weight.device.type == "meta" and not made[0].training
    assert not any(p.requires_grad for p in made[0].parameters())


def test_a_stand_in_has_all_that_a_judge_may_have():
    judge = StandIn()
    for protocol in (Embeds, EstimatesAge, HasAgeLogits, HasFeatures):
        assert isinstance(judge, protocol)
    image = torch.rand(2, 3, 40, 40, requires_grad=True)
    judge.estimate_age(image).sum().backward()
    assert image.grad.abs().sum() > 0
    assert torch.allclose(judge.embed(image).norm(dim=1), torch.ones(2))
    assert judge.age_logits(image).shape == (2, 101)


@pytest.mark.parametrize("target", ["ganzoo_core:../tests", "nowhere:x", "json:a", "a.b:c"])
def test_no_folder_outside_a_package(target):
    with pytest.raises(PluginError):
        package_folder(target)
