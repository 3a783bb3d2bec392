"""Pretrained folders: exact round trip, strict reading, no code and no path outside."""

import json
import os

import numpy as np
import pytest
import torch
from contract_models import VAE, EncoderGAN
from PIL import Image
from training_helpers import build_model, differing_keys, make_images, make_trainer

import ganzoo_core as gz
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import file_sha256, load_tensors, save_tensors
from ganzoo_core.report import make_grid
from ganzoo_core.weights import load_into, pretrained, read_pretrained, save_pretrained
from ganzoo_core.weights.model_card import render_model_card
from ganzoo_core.weights.pretrained import inference_state_dict
from ganzoo_core.zoo import zoo

INDEX_FIELDS = {"model": "object:VAE", "config": {}, "preset": "", "steps": 3}


@pytest.fixture
def pretrained_dir(tmp_path):
    folder = tmp_path / "weights"
    save_pretrained(folder, build_model(VAE, make_images().info), INDEX_FIELDS)
    return folder


def edit_index(folder, **change):
    path = folder / "ganzoo.json"
    index = json.loads(path.read_text())
    path.write_text(json.dumps({**index, **change}))


def test_pretrained_round_trip(pretrained_dir):
    original = build_model(VAE, make_images().info)
    found = read_pretrained(pretrained_dir)
    assert found.model_name == "object:VAE" and found.info == make_images().info
    model = load_into(build_model(VAE, found.info, seed=9), found)
    assert differing_keys(inference_state_dict(original), inference_state_dict(model)) == []
    assert [name for name, _ in model.named_children()] == ["decoder"]
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert torch.equal(model.sample(4, seed=1), original.eval().sample(4, seed=1))


def test_only_inference_modules_saved(tmp_path):
    model = build_model(EncoderGAN, make_images().info)
    save_pretrained(tmp_path, model, INDEX_FIELDS)
    tensors, _ = load_tensors(tmp_path / "model.safetensors")
    assert {name.split(".")[0] for name in tensors} == {"generator", "encoder"}
    names = ["README.md", "ganzoo.json", "model.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_ema_weights_saved(tmp_path):
    run = make_trainer(VAE, steps=4)
    run.run(tmp_path / "checkpoints")
    save_pretrained(tmp_path / "weights", run.ema_model(), INDEX_FIELDS)
    tensors, _ = load_tensors(tmp_path / "weights" / "model.safetensors")
    shadow = run.optimizers["vae"].ema.state_dict()
    assert all(torch.equal(tensors[name], shadow[name]) for name in tensors)
    assert differing_keys(tensors, inference_state_dict(run.model))


def test_saving_is_deterministic(pretrained_dir, tmp_path):
    save_pretrained(tmp_path / "again", build_model(VAE, make_images().info), INDEX_FIELDS)
    for path in pretrained_dir.iterdir():
        assert file_sha256(path) == file_sha256(tmp_path / "again" / path.name)


def replace_with_symlink(folder):
    weights = folder / "model.safetensors"
    weights.rename(folder.parent / "elsewhere.safetensors")
    weights.symlink_to(folder.parent / "elsewhere.safetensors")


def replace_with_folder(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()


def list_extra_file(file_name):
    def corrupt(folder):
        (folder.parent / "x.json").write_text("{}")
        files = json.loads((folder / "ganzoo.json").read_text())["files"]
        other = {"sha256": file_sha256(folder.parent / "x.json"), "size": 2}
        edit_index(folder, files={**files, file_name: other})

    return corrupt


def write_bytes(name, data):
    return lambda folder: (folder / name).write_bytes(data)


CORRUPTIONS = {
    "no index": lambda f: (f / "ganzoo.json").unlink(),
    "truncated index": lambda f: (f / "ganzoo.json").write_text('{"format_version": 1, "mod'),
    "index not UTF-8": write_bytes("ganzoo.json", b"\xff\xfe{"),
    "index a list": write_bytes("ganzoo.json", b"[]"),
    "index a number": write_bytes("ganzoo.json", b"3"),
    "index too deep": write_bytes("ganzoo.json", b"[" * 100_000),
    "another format": lambda f: edit_index(f, format_version=2),
    "another format, other fields": write_bytes("ganzoo.json", b'{"format_version": 2}'),
    "files a string": lambda f: edit_index(f, files="model.safetensors"),
    "files a list": lambda f: edit_index(f, files=[1]),
    "no weights listed": lambda f: edit_index(f, files={}),
    "data a list": lambda f: edit_index(f, data=[]),
    "data of other fields": lambda f: edit_index(f, data={"image_size": 16, "color": 1}),
    "config a number": lambda f: edit_index(f, config=3),
    "weights changed": lambda f: save_tensors(f / "model.safetensors", {"a": torch.ones(1)}),
    "weights truncated": write_bytes("model.safetensors", b"\x00" * 40),
    "weights missing": lambda f: (f / "model.safetensors").unlink(),
    "weights a folder": replace_with_folder,
    "weights a symlink": replace_with_symlink,
    "card changed": write_bytes("README.md", b"other text"),
    "card missing": lambda f: (f / "README.md").unlink(),
    "parent folder": list_extra_file("../x.json"),
    "absolute path": lambda f: list_extra_file(str(f.parent / "x.json"))(f),
    "subfolder": list_extra_file("sub/x.json"),
    "dots": list_extra_file(".."),
    "empty name": list_extra_file(""),
    "code": list_extra_file("model.py"),
    "pickle": list_extra_file("model.pt"),
    "NUL": list_extra_file("x\0.json"),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corrupt_folder_refused(kind, pretrained_dir):
    CORRUPTIONS[kind](pretrained_dir)
    with pytest.raises(WeightsError) as error:
        read_pretrained(pretrained_dir)
    assert "\n" not in str(error.value) and error.value.exit_code == 6


def test_future_format_says_upgrade(pretrained_dir):
    edit_index(pretrained_dir, format_version=9)
    with pytest.raises(WeightsError, match="upgrade ganzoo-core"):
        read_pretrained(pretrained_dir)


def test_missing_folder_refused(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(WeightsError):
            gz.load(path)


@pytest.mark.parametrize("change", ["missing tensor", "extra tensor", "other shape"])
def test_state_dict_must_match(change, pretrained_dir):
    path = pretrained_dir / "model.safetensors"
    tensors, metadata = load_tensors(path)
    first = next(iter(tensors))
    if change == "missing tensor":
        del tensors[first]
    else:
        tensors[first if change == "other shape" else "decoder.extra"] = torch.ones(3)
    save_tensors(path, tensors, metadata)
    edit_index(
        pretrained_dir,
        files={path.name: {"sha256": file_sha256(path), "size": path.stat().st_size}},
    )
    with pytest.raises(WeightsError, match="decoder"):
        load_into(build_model(VAE, make_images().info), read_pretrained(pretrained_dir))


def test_card_marks_untrained_classes():
    info = make_images(age_bins=(85,)).info
    text = render_model_card({**INDEX_FIELDS, "data": info.to_json()})
    assert "| 0-85 | 40 |" in text and "| 86+ | none: **untrained** |" in text
    no_classes = {**info.to_json(), "class_names": (), "class_counts": ()}
    unlabeled = render_model_card({**INDEX_FIELDS, "data": no_classes})
    assert "untrained" not in unlabeled and "\nlicense: apache-2.0\n" in unlabeled


def test_card_names_shared_settings_once():
    metrics = [
        {"name": "fd", "value": 1.5, "settings": {"n": 500, "sha256": "ab" * 32, "resize": "box"}},
        {
            "name": "kd",
            "value": 0.25,
            "settings": {"n": 500, "sha256": "ab" * 32, "resize": "none"},
        },
        {"name": "rate", "value": 0.0, "settings": {"n": 500}},
    ]
    text = render_model_card({**INDEX_FIELDS, "data": {"image_size": 32}, "metrics": metrics})
    assert "| fd | 1.5 | resize=box |" in text and "| kd | 0.25 | resize=none |" in text
    assert "| rate | 0 |  |" in text and text.count("n=500") == 1
    assert f"sha256={'ab' * 8}." in text and "ab" * 9 not in text


def test_card_says_what_the_images_are():
    summary = zoo().dataset("fashion-mnist").summary
    for name, count in (("fashion-mnist", 1), ("not-installed", 0)):
        text = render_model_card({**INDEX_FIELDS, "data": {"image_size": 32, "name": name}})
        assert text.count(f"| images | {summary} |") == count and "people" not in text


def test_card_of_minimal_data():
    assert "32 x 32 px" in render_model_card({**INDEX_FIELDS, "data": {"image_size": 32}})


# --- end to end ---------------------------------------------------------------------------------

TRAIN_OPTIONS = {
    "data": {"count": 48},
    "train": {"batch_size": 8, "device": "cpu", "sample_every": 50},
}


@pytest.fixture(scope="module")
def trained_cgan(tmp_path_factory):
    """A smoke cgan whose oldest age group is empty."""
    options = gz.config.merge(TRAIN_OPTIONS, {"model": {"age_bins": (20, 40, 59, 90)}})
    out = tmp_path_factory.mktemp("run") / "cgan"
    return gz.train("cgan", "shapes", preset="smoke", steps=4, options=options, out=out, quiet=True)


def test_loaded_run_samples_identically(trained_cgan):
    from_run, from_weights = gz.load(trained_cgan.path), gz.load(trained_cgan.path / "weights")
    images = from_run.sample(5, label="60-90", seed=3)
    assert torch.equal(images, from_weights.sample(5, label="60-90", seed=3))
    assert torch.equal(images, trained_cgan.model.sample(5, label=3, seed=3))
    assert not torch.equal(images, from_run.sample(5, label="60-90", seed=4))
    assert not torch.equal(images, from_run.sample(5, label="0-20", seed=3))
    assert torch.equal(images, from_run.sample(5, label=np.int64(3), seed=3))


def test_sample_label_types(trained_cgan):
    model = gz.load(trained_cgan.path)
    images = model.sample(2, label=["0-20", 3], seed=1)
    assert images.shape == (2, 3, 32, 32) and images.abs().max() <= 1
    for label in ("60-91", 9, -1, [0]):
        with pytest.raises(UsageError):
            model.sample(2, label=label)
    with pytest.raises(UsageError, match="60-90"):  # the suggestion
        model.sample(2, label="60-91")


def test_default_labels_skip_empty_classes(trained_cgan):
    model = gz.load(trained_cgan.path)
    assert model.info.class_counts[-1] == 0 and model.info.nonempty_classes == (0, 1, 2, 3)
    images = model.sample(5, seed=2)
    in_turn = model.sample(5, label=[0, 1, 2, 3, 0], seed=2)
    assert torch.equal(images, in_turn)


def test_untrained_class_grayed_in_grid(trained_cgan):
    assert "91+ | none: **untrained**" in (trained_cgan.path / "weights" / "README.md").read_text()
    (path,) = (trained_cgan.path / "samples").glob("*.png")
    assert np.asarray(Image.open(path)).shape[0] > 5 * 90
    red = torch.tensor([1.0, -1.0, -1.0])[None, :, None, None].expand(4, 3, 32, 32)
    sheet = np.asarray(make_grid(red, 2, ("old", "none"), muted_rows=(1,))).astype(int)
    saturation, half = np.abs(sheet[..., 0] - sheet[..., 2]), sheet.shape[0] // 2
    assert saturation[:half].max() == 255 and saturation[half + 4 :].max() < 10


def test_load_unregistered_model_needs_class(tmp_path):
    info = make_images().info
    save_pretrained(tmp_path, build_model(VAE, info), INDEX_FIELDS)
    with pytest.raises(UsageError, match="model="):
        gz.load(tmp_path)
    assert torch.equal(
        gz.load(tmp_path, model=VAE, device="cpu").sample(2),
        build_model(VAE, info).eval().sample(2),
    )


def test_unreadable_file_is_weights_error(pretrained_dir, monkeypatch):
    def raise_permission_error(path):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(pretrained, "file_sha256", raise_permission_error)
    with pytest.raises(WeightsError):
        read_pretrained(pretrained_dir)
