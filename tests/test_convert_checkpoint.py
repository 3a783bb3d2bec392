"""Checkpoints of other programs: the model maps the names, no code in the file runs."""

import os
import zipfile
from collections import OrderedDict

import pytest
import torch
from contract_models import VAE
from torch import nn
from training_helpers import build_model, make_images

import ganzoo_core as gz
from ganzoo_core.config import build_config
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors, save_tensors
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.weights import build_and_load, load_into, read_pretrained, save_pretrained
from ganzoo_core.weights.convert import convert_state_dict, read_checkpoint
from ganzoo_core.zoo import import_target, zoo


class MaliciousPickle:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.fixture(scope="module")
def generator():
    """A cgan generator of the smoke preset."""
    tree = build_config("cgan", preset="smoke")
    info = DataInfo(image_size=32, class_names=tuple("abcdef"))
    torch.manual_seed(5)
    return import_target(zoo().model("cgan").target)(tree.model, info).generator


CHECKPOINT_LAYOUTS = {
    "bare": lambda state: state,
    "prefixed": lambda state: {f"generator.{k}": v for k, v in state.items()},
    "whole model": lambda state: {
        **{f"generator.{k}": v for k, v in state.items()},
        "discriminator.w": torch.ones(2),
    },
    "with optimizer": lambda state: {
        "epoch": 3,
        "state_dict": state,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}},
    },
    "data parallel": lambda state: {"model": {f"module.{k}": v for k, v in state.items()}},
    "double precision": lambda state: {
        k: v.double() if v.is_floating_point() else v for k, v in state.items()
    },
}


@pytest.mark.parametrize("layout", CHECKPOINT_LAYOUTS)
def test_convert_state_dict(layout, generator, run_ganzoo, tmp_path):
    torch.save(
        CHECKPOINT_LAYOUTS[layout](OrderedDict(generator.state_dict())), tmp_path / "original.pth"
    )
    words = (
        "weights",
        "import",
        "original.pth",
        "--model",
        "cgan",
        "--preset",
        "smoke",
        "--out",
        "converted",
    )
    done = run_ganzoo(*words, "--license", "MIT", cwd=tmp_path)
    assert (done.code, done.out) == (0, "converted\n"), done.err
    assert "unverified" in done.err
    model = gz.load(tmp_path / "converted", device="cpu")
    assert all(
        torch.equal(value, generator.state_dict()[name])
        for name, value in model.generator.state_dict().items()
    )
    assert model.sample(2, label="60+").shape == (2, 3, 32, 32)
    card = (tmp_path / "converted" / "README.md").read_text()
    assert "original.pth" in card and "**unverified**" in card and "license: mit" in card


class RenamedVAE(VAE):
    """Maps other names of its decoder, and reads the image size from a tensor."""

    @classmethod
    def convert_checkpoint(cls, state):
        mapped = {f"decoder.{k.removeprefix('dec_')}": v for k, v in state.items()}
        return gz.ConvertedCheckpoint(state=mapped, info={"image_size": int(state["dec_size"])})


def test_convert_checkpoint_maps_names(tmp_path):
    state = {"dec_w": torch.ones(2), "dec_size": torch.tensor(16)}
    converted = convert_state_dict(RenamedVAE, state, tmp_path)
    assert set(converted.state) == {"decoder.w", "decoder.size"} and converted.info == {
        "image_size": 16
    }
    with pytest.raises(WeightsError, match="'dec_size'"):
        convert_state_dict(RenamedVAE, {"dec_w": torch.ones(2)}, tmp_path / "x.pt")


def test_convert_refuses_other_architecture(generator, run_ganzoo, tmp_path):
    state = generator.state_dict()
    wide = {k: torch.cat([v, v]) if v.dim() == 4 else v for k, v in state.items()}
    for state, named in (
        ({"conv1.weight": torch.ones(3)}, "'generator.layers.0.weight'"),
        (wide, "'generator.layers.0.weight'"),
        ({}, "original.pt"),
    ):
        torch.save(state, tmp_path / "original.pt")
        done = run_ganzoo(
            "weights",
            "import",
            "original.pt",
            "--model",
            "cgan",
            "--preset",
            "smoke",
            "--out",
            "converted",
            cwd=tmp_path,
        )
        assert done.code == 6 and named in done.error, done.error
        assert not (tmp_path / "converted").exists()


def test_convert_refuses_malicious_pickle(tmp_path):
    for old in (False, True):
        bad = {"state_dict": {"w": torch.ones(2)}, "hook": MaliciousPickle(tmp_path / "ran")}
        torch.save(bad, tmp_path / "x.pt", _use_new_zipfile_serialization=not old)
        with pytest.raises(WeightsError, match="Python objects"):
            read_checkpoint(tmp_path / "x.pt")
        (tmp_path / "x.safetensors").write_bytes((tmp_path / "x.pt").read_bytes())
        with pytest.raises(WeightsError):
            read_checkpoint(tmp_path / "x.safetensors")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(WeightsError, match="Python objects"):
        read_checkpoint(tmp_path / "module.pt")
    assert not (tmp_path / "ran").exists()


def test_convert_refuses_zip_bomb(tmp_path):
    torch.save({"w": torch.zeros(300_000)}, tmp_path / "x.pt")
    with (
        zipfile.ZipFile(tmp_path / "x.pt") as old,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert (tmp_path / "bomb.pt").stat().st_size < 20_000
    with pytest.raises(WeightsError, match="compressed"):
        read_checkpoint(tmp_path / "bomb.pt")


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "truncated", "sparse", "expanded"])
def test_convert_refuses_non_checkpoint(kind, tmp_path):
    path = tmp_path / "x.pt"
    if kind in {"text", "empty"}:
        path.write_text("not a checkpoint\n" if kind == "text" else "")
    elif kind == "truncated":
        torch.save({"w": torch.ones(99)}, path)
        path.write_bytes(path.read_bytes()[:-400])
    elif kind == "sparse":
        torch.save({"w": torch.eye(3).to_sparse()}, path)
    elif kind == "expanded":
        torch.save({"w": torch.ones(1).expand(10**12)}, path)
    with pytest.raises(WeightsError) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_convert_safetensors(tmp_path):
    save_tensors(tmp_path / "x.safetensors", {"module.w": torch.ones(2)})
    assert torch.equal(read_checkpoint(tmp_path / "x.safetensors")["w"], torch.ones(2))


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_weights_load_as_fp32(precision, tmp_path):
    model = build_model(VAE, make_images().info)
    index_fields = {"model": "object:VAE", "config": {}}
    save_pretrained(tmp_path, model, index_fields, precision=precision)
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    stored, _ = load_tensors(tmp_path / "model.safetensors")
    floats = [t for t in stored.values() if t.is_floating_point()]
    assert floats and all(t.dtype == dtype for t in floats)
    found = read_pretrained(tmp_path)
    assert found.index["precision"] == precision
    for loaded in (
        load_into(build_model(VAE, found.info, seed=3), found),
        build_and_load(VAE, model.config, found),
    ):
        for name, value in loaded.state_dict().items():
            original = model.state_dict()[name]
            assert value.dtype == original.dtype
            half = original.to(dtype) if original.is_floating_point() else original
            assert torch.equal(value, half.to(original.dtype))
        assert loaded.sample(2, seed=1).isfinite().all()
