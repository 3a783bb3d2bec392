"""Bundles: exact, strict, and nothing in them can reach outside the folder or run code."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from workbench import differences, drawn, make, trainer
from zoo_of_proofs import VAE, EncoderGAN

import ganzoo_core as gz
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import load_tensors, save_tensors, sha256
from ganzoo_core.report import grid
from ganzoo_core.weights import fill, read_bundle, write_bundle
from ganzoo_core.weights.bundle import served
from ganzoo_core.weights.card import card

ABOUT = {"model": "object:VAE", "config": {}, "preset": "", "rounds": 3}


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "weights"
    write_bundle(folder, make(VAE, drawn().info), ABOUT)
    return folder


def reindex(folder, **change):
    path = folder / "ganzoo.json"
    index = json.loads(path.read_text())
    path.write_text(json.dumps({**index, **change}))


def test_a_bundle_comes_back_exactly(bundle):
    original = make(VAE, drawn().info)
    found = read_bundle(bundle)
    assert found.model == "object:VAE" and found.info == drawn().info
    model = fill(make(VAE, found.info, seed=9), found)
    assert differences(served(original), served(model)) == []
    assert [name for name, _ in model.named_children()] == ["decoder"]
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert torch.equal(model.sample(4, seed=1), original.eval().sample(4, seed=1))


def test_only_served_networks_are_in_it(tmp_path):
    model = make(EncoderGAN, drawn().info)
    write_bundle(tmp_path, model, ABOUT)
    tensors, _ = load_tensors(tmp_path / "model.safetensors")
    assert {name.split(".")[0] for name in tensors} == {"generator", "encoder"}
    names = ["README.md", "ganzoo.json", "model.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_bundle_carries_the_averaged_weights(tmp_path):
    run = trainer(VAE, steps=4)
    run.run(tmp_path / "checkpoints")
    write_bundle(tmp_path / "weights", run.averaged(), ABOUT)
    tensors, _ = load_tensors(tmp_path / "weights" / "model.safetensors")
    shadow = run.players["vae"].average.state()
    assert all(torch.equal(tensors[name], shadow[name]) for name in tensors)
    assert differences(tensors, served(run.model))


def test_equal_models_give_equal_bundles(bundle, tmp_path):
    write_bundle(tmp_path / "again", make(VAE, drawn().info), ABOUT)
    for path in bundle.iterdir():
        assert sha256(path) == sha256(tmp_path / "again" / path.name)


def swap_for_link(folder):
    weights = folder / "model.safetensors"
    weights.rename(folder.parent / "elsewhere.safetensors")
    weights.symlink_to(folder.parent / "elsewhere.safetensors")


def unreadable(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()


def names(name):
    def change(folder):
        (folder.parent / "x.json").write_text("{}")
        files = json.loads((folder / "ganzoo.json").read_text())["files"]
        other = {"sha256": sha256(folder.parent / "x.json"), "size": 2}
        reindex(folder, files={**files, name: other})

    return change


def write(name, data):
    return lambda folder: (folder / name).write_bytes(data)


CORRUPTIONS = {
    "no index": lambda f: (f / "ganzoo.json").unlink(),
    "truncated index": lambda f: (f / "ganzoo.json").write_text('{"format": 1, "mod'),
    "index not UTF-8": write("ganzoo.json", b"\xff\xfe{"),
    "index a list": write("ganzoo.json", b"[]"),
    "index a number": write("ganzoo.json", b"3"),
    "index too deep": write("ganzoo.json", b"[" * 100_000),
    "another format": lambda f: reindex(f, format=2),
    "another format, other fields": write("ganzoo.json", b'{"format": 2}'),
    "files a string": lambda f: reindex(f, files="model.safetensors"),
    "files a list": lambda f: reindex(f, files=[1]),
    "no weights named": lambda f: reindex(f, files={}),
    "data a list": lambda f: reindex(f, data=[]),
    "data of other fields": lambda f: reindex(f, data={"size": 16, "colour": 1}),
    "config a number": lambda f: reindex(f, config=3),
    "weights changed": lambda f: save_tensors(f / "model.safetensors", {"a": torch.ones(1)}),
    "weights truncated": write("model.safetensors", b"\x00" * 40),
    "weights missing": lambda f: (f / "model.safetensors").unlink(),
    "weights a folder": unreadable,
    "weights a link": swap_for_link,
    "card changed": write("README.md", b"trust me"),
    "card missing": lambda f: (f / "README.md").unlink(),
    "a name above": names("../x.json"),
    "an absolute name": lambda f: names(str(f.parent / "x.json"))(f),
    "a name in a folder": names("sub/x.json"),
    "dots": names(".."),
    "an empty name": names(""),
    "code": names("model.py"),
    "a pickle": names("model.pt"),
    "a NUL": names("x\0.json"),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_every_corruption_is_one_line(kind, bundle):
    CORRUPTIONS[kind](bundle)
    with pytest.raises(WeightsError) as error:
        read_bundle(bundle)
    assert "\n" not in str(error.value) and error.value.exit_code == 6


def test_a_future_format_says_upgrade(bundle):
    reindex(bundle, format=9)
    with pytest.raises(WeightsError, match=r"format 9.*upgrade"):
        read_bundle(bundle)


def test_a_missing_folder_or_other_folder_is_no_bundle(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(WeightsError):
            gz.load(path)


@pytest.mark.parametrize("change", ["lacks", "has more", "other shape"])
def test_weights_must_fit_the_model_in_every_name_and_shape(change, bundle):
    path = bundle / "model.safetensors"
    tensors, about = load_tensors(path)
    first = next(iter(tensors))
    if change == "lacks":
        del tensors[first]
    else:
        tensors[first if change == "other shape" else "decoder.extra"] = torch.ones(3)
    save_tensors(path, tensors, about)
    reindex(bundle, files={path.name: {"sha256": sha256(path), "size": path.stat().st_size}})
    with pytest.raises(WeightsError, match="another model"):
        fill(make(VAE, drawn().info), read_bundle(bundle))


def test_the_card_marks_untrained_classes():
    info = drawn(groups=(85,)).info
    text = card({**ABOUT, "data": info.to_json()})
    assert "| 0-85 | 40 |" in text and "| 86+ | none: **untrained** |" in text
    plain = card({**ABOUT, "data": {**info.to_json(), "classes": (), "counts": ()}})
    assert card({**ABOUT, "data": {"size": 32}}), "facts that nobody gave have defaults"
    assert "untrained" not in plain and text.startswith("---\nlicense:")


# --- a run from end to end --------------------------------------------------------------------

TINY = {"data": {"count": 48}, "train": {"batch": 8, "device": "cpu", "sample_every": 50}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny cGAN, its oldest group empty."""
    options = gz.config.merge(TINY, {"model": {"groups": (20, 40, 59, 90)}})
    out = tmp_path_factory.mktemp("run") / "cgan"
    return gz.train("cgan", "shapes", preset="tiny", steps=4, options=options, out=out, quiet=True)


def test_a_loaded_run_samples_the_same_images(run):
    one, two = gz.load(run.path), gz.load(run.path / "weights")
    images = one.sample(5, label="60-90", seed=3)
    assert torch.equal(images, two.sample(5, label="60-90", seed=3))
    assert torch.equal(images, run.model.sample(5, label=3, seed=3))
    assert not torch.equal(images, one.sample(5, label="60-90", seed=4))
    assert not torch.equal(images, one.sample(5, label="0-20", seed=3))
    assert torch.equal(images, one.sample(5, label=np.int64(3), seed=3))


def test_labels_may_be_names_numbers_or_a_list(run):
    model = gz.load(run.path)
    each = model.sample(2, label=["0-20", 3], seed=1)
    assert each.shape == (2, 3, 32, 32) and each.abs().max() <= 1
    for label, words in (
        ("60-91", "60-90"),
        (9, "no label 9"),
        (-1, "no label"),
        ([0], "1 labels"),
    ):
        with pytest.raises(UsageError, match=words):
            model.sample(2, label=label)


def test_without_a_label_only_trained_classes_are_drawn(run):
    model = gz.load(run.path)
    assert model.info.counts[-1] == 0 and model.info.present == (0, 1, 2, 3)
    images = model.sample(5, seed=2)
    in_turn = model.sample(5, label=[0, 1, 2, 3, 0], seed=2)
    assert torch.equal(images, in_turn)


def test_an_untrained_class_is_grey_in_the_grid_and_marked_in_the_card(run):
    assert "91+ | none: **untrained**" in (run.path / "weights" / "README.md").read_text()
    (path,) = (run.path / "samples").glob("*.png")
    assert np.asarray(Image.open(path)).shape[0] > 5 * 90
    red = torch.tensor([1.0, -1.0, -1.0])[None, :, None, None].expand(4, 3, 32, 32)
    sheet = np.asarray(grid(red, 2, ("old", "none"), faint=(1,))).astype(int)
    colour, half = np.abs(sheet[..., 0] - sheet[..., 2]), sheet.shape[0] // 2
    assert colour[:half].max() == 255 and colour[half + 4 :].max() < 10


def test_a_bundle_of_an_object_model_needs_its_class(tmp_path):
    info = drawn().info
    write_bundle(tmp_path, make(VAE, info), ABOUT)
    with pytest.raises(UsageError, match=r"load\(path, model=\.\.\.\)"):
        gz.load(tmp_path)
    assert torch.equal(
        gz.load(tmp_path, model=VAE, device="cpu").sample(2), make(VAE, info).eval().sample(2)
    )


def test_an_unreadable_file_is_an_error_of_weights(bundle, monkeypatch):
    from ganzoo_core.weights import bundle as module

    def denied(path):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(module, "hash_of", denied)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_bundle(bundle)
