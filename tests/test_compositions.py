"""Compositions: a base model and a TOML file of options, found through a plugin's hook."""

import json
import tomllib

import pytest

import ganzoo_core as gz
from ganzoo_core.cli.info import entry_facts_by_name
from ganzoo_core.config import build_config, read_toml
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.scaffold import create_plugin
from ganzoo_core.training.publishing import train_command
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.zoo import Plugin, Zoo, composition_patch, compositions, zoo

TINY = {"data": {"count": 32, "num_identities": 8}, "train": {"batch_size": 8, "device": "cpu"}}
HEAD = 'base = "dcgan"\nsummary = "s"\npaper = "p"\nlicense = "MIT"\n'


@pytest.fixture
def write_composition(tmp_path, monkeypatch):
    """Return a function that writes a file of a new package, and returns the package."""

    def write(text, name="mine"):
        folder = tmp_path / "package_of_mine"
        (folder / "compositions").mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("raise RuntimeError('not to be run')")
        (folder / "compositions" / f"{name}.toml").write_text(text)
        return folder.name

    monkeypatch.syspath_prepend(tmp_path)
    return write


@pytest.fixture
def only_base(monkeypatch):
    """Return a function that hides the compositions."""

    def hide():
        plugins = [plugin for plugin in zoo().plugins if plugin.name != "compositions"]
        monkeypatch.setattr("ganzoo_core.config.tree.zoo", lambda: Zoo(plugins))

    return hide


@pytest.fixture(scope="module")
def run_of_wgan_gp(tmp_path_factory):
    folder = tmp_path_factory.mktemp("composition") / "run"
    return gz.train("wgan-gp", preset="smoke", options=TINY, steps=2, out=folder, quiet=True)


def test_options_are_between_preset_and_set():
    config = build_config("WGAN-GP", preset="smoke", patches=[{"model": {"d_updates": 2}}])
    assert (config.name, config.model_name, config.preset) == ("wgan-gp", "dcgan", "smoke")
    assert config.model.base_channels == 8  # of the preset
    assert config.model.loss.kind == "wasserstein" and config.model.optim_d.lr == 1e-4
    assert config.model.d_updates == 2
    assert list(config.model.terms) == ["gradient-penalty"]


def test_run_records_base_and_composition(run_of_wgan_gp):
    run = run_of_wgan_gp
    expected = {"model": "dcgan", "preset": "smoke", "composition": "wgan-gp"}
    assert read_toml(run.path / "config.toml")["run"] == expected
    index = json.loads((run.path / "weights" / "ganzoo.json").read_text())
    assert (index["model"], index["composition"]) == ("dcgan", "wgan-gp")
    assert "composition" in (run.path / "weights" / "README.md").read_text()
    assert train_command(RunFolder(run.path)).startswith("ganzoo run wgan-gp --preset smoke ")


def test_weights_and_resume_need_the_base_only(run_of_wgan_gp, only_base):
    only_base()
    images = gz.load(run_of_wgan_gp.path).sample(3, seed=1)
    resumed = gz.resume(run_of_wgan_gp.path, steps=3, quiet=True)
    assert images.shape == (3, 3, 32, 32) and resumed.steps == 3
    assert read_toml(run_of_wgan_gp.path / "config.toml")["run"]["composition"] == "wgan-gp"


def test_config_file_of_a_run_is_the_same_configuration(run_of_wgan_gp):
    stored = read_toml(run_of_wgan_gp.path / "config.toml")
    again = build_config("dcgan", patches=[stored], is_resolved=True)
    assert again.tree() == {k: v for k, v in stored.items() if k != "provenance"}
    completed = build_config("dcgan", patches=[{"run": stored["run"]}])
    assert completed.tree()["model"] == build_config("wgan-gp", preset="smoke").tree()["model"]
    other = build_config("sngan", patches=[{"run": stored["run"]}])
    assert other.composition == "" and other.model.loss.kind == "hinge"


def test_removed_term_stays_removed(tmp_path):
    options = {"model": {"terms": {"gradient-penalty": "none", "r1": {"weight": 1.0}}}}
    tree = build_config("wgan-gp", preset="smoke", patches=[options]).tree()
    assert list(build_config("wgan-gp", patches=[tree]).model.terms) == ["r1"]


def test_a_package_adds_compositions(write_composition):
    package = write_composition(
        f'# mine\n{HEAD}\n[model]\nlatent_dim = 5\n[model.loss]\nkind="lsgan"'
    )
    (spec,) = compositions(package)
    assert (spec.name, spec.base, spec.license) == ("mine", "dcgan", "MIT")
    assert composition_patch(spec) == {"model": {"latent_dim": 5, "loss": {"kind": "lsgan"}}}
    plugin = Plugin("mine", "ganzoo-mine", "1.0")
    plugin.add(spec)
    found = Zoo([*zoo().plugins, plugin])
    assert found.model("mine").name == "dcgan" and found.composition("dcgan") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD.replace("summary", "sumary"), "sumary.*base, summary, paper, license"),
        ('base = "dcgan"\n', "paper|summary"),
        ("base = dcgan\n", 'KEY = "TEXT"'),
    ],
)
def test_head_refused(write_composition, text, words):
    with pytest.raises(ValueError, match=words):
        compositions(write_composition(text))


def test_bad_tables_refused(write_composition, monkeypatch):
    def build(table):
        (spec,) = compositions(write_composition(f"{HEAD}\n[{table}\n"))
        plugin = Plugin("mine", "ganzoo-mine", "1.0", [spec])
        monkeypatch.setattr("ganzoo_core.config.tree.zoo", lambda: Zoo([*zoo().plugins, plugin]))
        build_config("mine")

    with pytest.raises(UsageError, match='"model"'):
        build("modle]")
    with pytest.raises(UsageError, match=r"model\.latent_dim"):
        build("model]\nlatent_dmi = 3")
    with pytest.raises(PluginError, match=r"package_of_mine:compositions/mine\.toml"):
        build("model")


def test_unknown_name_suggests_a_composition():
    with pytest.raises(UsageError, match="wgan-dra"):
        build_config("wgan-dar")


def test_new_from_a_model_and_from_a_composition(tmp_path):
    folder = create_plugin("my-variant", "composition", tmp_path / "a", "dcgan")
    tree = tomllib.loads((folder / "ganzoo_my_variant/compositions/my-variant.toml").read_text())
    assert tree["base"] == "dcgan" and tree["model"]["terms"] == {"r1": {"weight": 0.1}}
    assert '"ganzoo-dcgan"' in (folder / "pyproject.toml").read_text()
    folder = create_plugin("my-variant", "composition", tmp_path / "b", "wgan-gp")
    copy = tomllib.loads((folder / "ganzoo_my_variant/compositions/my-variant.toml").read_text())
    assert {k: copy[k] for k in ("model",)} == composition_patch(zoo().composition("wgan-gp"))
    with pytest.raises(UsageError, match="there is no model 'nothing'"):
        create_plugin("my-variant", "composition", tmp_path / "c", "nothing")


def test_commands(run_ganzoo, tmp_path):
    """`list`, `info`, `run` and `new` take the name of a composition."""
    done = run_ganzoo("list", "models", cwd=tmp_path)
    rows = [line.split() for line in done.out.splitlines()]
    assert ["composition", "wgan-gp", "2017"] in [row[:3] for row in rows]
    facts = entry_facts_by_name("wgan-gp")
    assert facts["base"] == "dcgan" and facts["settings"]["model.loss.kind"] == "wasserstein"
    assert facts["presets"]["smoke"]["parameters"]["generator"] > 1000
    done = run_ganzoo(
        "run", "wgan-gp", "--preset", "smoke", "--lr", "0.1", "--dry-run", cwd=tmp_path
    )
    assert done.code == 0, done.err
    done = run_ganzoo("new", "my-own", "--from", "cgan", "--kind", "loss", cwd=tmp_path)
    assert done.code == 2 and "--from" in done.error
