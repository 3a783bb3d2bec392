"""Checkpoints from elsewhere: names mapped by the model, nothing in the file is run."""

import os
import zipfile
from collections import OrderedDict

import pytest
import torch
from torch import nn
from workbench import drawn, make
from zoo_of_proofs import VAE

import ganzoo_core as gz
from ganzoo_core.config import build
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors, save_tensors
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.weights.foreign import read_foreign, translate
from ganzoo_core.zoo import resolve, zoo


class Bomb:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.fixture(scope="module")
def generator():
    """A cgan generator of the tiny preset, as somebody else might have trained it."""
    tree = build("cgan", preset="tiny")
    info = DataInfo(size=32, classes=tuple("abcdef"))
    torch.manual_seed(5)
    return resolve(zoo().model("cgan").target)(tree.model, info).generator


FORMS = {
    "bare": lambda state: state,
    "prefixed": lambda state: {f"generator.{k}": v for k, v in state.items()},
    "whole model": lambda state: {
        **{f"generator.{k}": v for k, v in state.items()},
        "discriminator.w": torch.ones(2),
    },
    "with optimiser": lambda state: {
        "epoch": 3,
        "state_dict": state,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}},
    },
    "data parallel": lambda state: {"model": {f"module.{k}": v for k, v in state.items()}},
    "double precision": lambda state: {
        k: v.double() if v.is_floating_point() else v for k, v in state.items()
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_a_state_dict_becomes_a_bundle(form, generator, ganzoo, tmp_path):
    torch.save(FORMS[form](OrderedDict(generator.state_dict())), tmp_path / "their.pth")
    words = ("weights", "import", "their.pth", "--as", "cgan", "--preset", "tiny", "--out", "mine")
    done = ganzoo(*words, "--license", "MIT", cwd=tmp_path)
    assert (done.code, done.out) == (0, "mine\n"), done.err
    assert "unverified" in done.err
    model = gz.load(tmp_path / "mine", device="cpu")
    assert all(
        torch.equal(value, generator.state_dict()[name])
        for name, value in model.generator.state_dict().items()
    )
    assert model.sample(2, label="60+").shape == (2, 3, 32, 32)
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "their.pth" in card and "**unverified**" in card and 'license: "mit"' in card


class Renamed(VAE):
    """A model that knows the names of somebody else's decoder, and the size it was built for."""

    @classmethod
    def import_state(cls, state):
        mapped = {f"decoder.{k.removeprefix('dec_')}": v for k, v in state.items()}
        return gz.Imported(state=mapped, info={"size": int(state["dec_size"])})


def test_a_model_maps_names_and_tells_what_the_tensors_tell(tmp_path):
    state = {"dec_w": torch.ones(2), "dec_size": torch.tensor(16)}
    imported = translate(Renamed, state, tmp_path)
    assert set(imported.state) == {"decoder.w", "decoder.size"} and imported.info == {"size": 16}
    with pytest.raises(WeightsError, match=r"no checkpoint that Renamed can import.*'dec_size'"):
        translate(Renamed, {"dec_w": torch.ones(2)}, tmp_path / "x.pt")


def test_another_architecture_is_named_by_its_first_tensor(generator, ganzoo, tmp_path):
    state = generator.state_dict()
    wide = {k: torch.cat([v, v]) if v.dim() == 4 else v for k, v in state.items()}
    for change, words in (
        (lambda: {"conv1.weight": torch.ones(3)}, "lacks 'generator.layers.0.weight'"),
        (lambda: wide, "'generator.layers.0.weight' has shape"),
        (lambda: {}, "no named tensors"),
    ):
        torch.save(change(), tmp_path / "their.pt")
        done = ganzoo(
            "weights",
            "import",
            "their.pt",
            "--as",
            "cgan",
            "--preset",
            "tiny",
            "--out",
            "mine",
            cwd=tmp_path,
        )
        assert done.code == 6 and words in done.error, done.error
        assert not (tmp_path / "mine").exists()


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    for old in (False, True):
        bad = {"state_dict": {"w": torch.ones(2)}, "hook": Bomb(tmp_path / "ran")}
        torch.save(bad, tmp_path / "x.pt", _use_new_zipfile_serialization=not old)
        with pytest.raises(WeightsError, match=r"Python objects beside tensors.*nothing was run"):
            read_foreign(tmp_path / "x.pt")
        (tmp_path / "x.safetensors").write_bytes((tmp_path / "x.pt").read_bytes())
        with pytest.raises(WeightsError, match="damaged"):
            read_foreign(tmp_path / "x.safetensors")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(WeightsError, match="Python objects"):
        read_foreign(tmp_path / "module.pt")
    assert not (tmp_path / "ran").exists()


def test_a_zip_bomb_is_refused_unopened(tmp_path):
    torch.save({"w": torch.zeros(300_000)}, tmp_path / "x.pt")
    with (
        zipfile.ZipFile(tmp_path / "x.pt") as old,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert (tmp_path / "bomb.pt").stat().st_size < 20_000
    with pytest.raises(WeightsError, match="compressed"):
        read_foreign(tmp_path / "bomb.pt")


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "truncated", "sparse", "expanded"])
def test_a_file_that_is_no_checkpoint_is_one_line(kind, tmp_path):
    path = tmp_path / "x.pt"
    if kind in {"text", "empty"}:
        path.write_text("no weights\n" if kind == "text" else "")
    elif kind == "truncated":
        torch.save({"w": torch.ones(99)}, path)
        path.write_bytes(path.read_bytes()[:-400])
    elif kind == "sparse":
        torch.save({"w": torch.eye(3).to_sparse()}, path)
    elif kind == "expanded":
        torch.save({"w": torch.ones(1).expand(10**12)}, path)
    with pytest.raises(WeightsError) as error:
        read_foreign(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_safetensors_from_elsewhere_are_read_too(tmp_path):
    save_tensors(tmp_path / "x.safetensors", {"module.w": torch.ones(2)})
    assert torch.equal(read_foreign(tmp_path / "x.safetensors")["w"], torch.ones(2))


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_narrow_weights_are_widened(precision, tmp_path):
    model = make(VAE, drawn().info)
    about = {"model": "object:VAE", "config": {}}
    from ganzoo_core.weights import assemble, fill, read_bundle, write_bundle

    write_bundle(tmp_path, model, about, precision=precision)
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    stored, _ = load_tensors(tmp_path / "model.safetensors")
    floats = [t for t in stored.values() if t.is_floating_point()]
    assert floats and all(t.dtype == dtype for t in floats)
    found = read_bundle(tmp_path)
    assert found.index["precision"] == precision
    for again in (fill(make(VAE, found.info, seed=3), found), assemble(VAE, model.config, found)):
        for name, value in again.state_dict().items():
            original = model.state_dict()[name]
            assert value.dtype == original.dtype
            narrow = original.to(dtype) if original.is_floating_point() else original
            assert torch.equal(value, narrow.to(original.dtype))
        assert again.sample(2, seed=1).isfinite().all()
