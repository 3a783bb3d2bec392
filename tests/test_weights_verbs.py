"""`ganzoo weights` on a trained run, in a clean environment too; ONNX."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from workbench import drawn, make
from zoo_of_proofs import VAE

import ganzoo_core as gz
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import load_tensors, save_tensors, sha256
from ganzoo_core.weights import assemble, fill, read_bundle, write_bundle
from ganzoo_core.weights.card import active_html, card, front_matter
from ganzoo_core.weights.compare import compare
from ganzoo_core.weights.onnx import to_onnx

ROOT = Path(__file__).parents[1]
ABOUT = {"model": "object:VAE", "config": {}}


def hashes(folder):
    return {path.name: sha256(path) for path in folder.iterdir()}


def test_exports_in_different_processes_are_equal(ganzoo, trained, tmp_path):
    for name, seed in (("a", "1"), ("b", "2")):
        done = ganzoo(
            "weights", "export", trained, name, cwd=tmp_path, env={"PYTHONHASHSEED": seed}
        )
        assert (done.code, done.out) == (0, f"{name}\n"), done.err
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b") == hashes(trained / "weights")
    assert set(hashes(tmp_path / "a")) == {
        "README.md",
        "ganzoo.json",
        "model.safetensors",
        "samples.png",
    }


def test_the_index_of_a_run_says_all(trained):
    index = json.loads((trained / "weights" / "ganzoo.json").read_text())
    assert index["plugin"]["distribution"] == "ganzoo-cgan" and index["plugin"]["version"]
    assert index["api"] == 1 and index["can"] == ["sample"] and index["preset"] == "tiny"
    assert index["config"]["width"] == 8 and index["train"]["batch"] == 16
    assert index["data"]["name"] == "shapes" and len(index["data"]["classes"]) == 6
    assert index["preprocessing"]["size"] == 32 and index["preprocessing"]["range"] == [-1, 1]
    assert index["rounds"] == 20 and index["license"] == "Apache-2.0"


def test_export_narrows_adds_networks_and_takes_along_what_was_measured(ganzoo, trained, tmp_path):
    figures = {"fid": {"stamp": {"n_fake": 10}, "figures": {"fid": {"value": 3.5}}}}
    (trained / "report" / "evaluation.json").write_text(json.dumps({"results": figures}))
    try:
        words = (
            "weights",
            "export",
            trained,
            "half",
            "--precision",
            "fp16",
            "--with",
            "discriminator",
        )
        assert ganzoo(*words, cwd=tmp_path).code == 0
        done = ganzoo("weights", "export", trained, "x", "--with", "discrimnator", cwd=tmp_path)
        assert done.code == 2 and 'Did you mean "discriminator"' in done.error
    finally:
        (trained / "report" / "evaluation.json").unlink()
    bundle = read_bundle(tmp_path / "half")
    assert bundle.index["metrics"] == [
        {"name": "fid: fid", "value": 3.5, "stamp": {"n_fake": 10}},
    ]
    text = (tmp_path / "half" / "README.md").read_text()
    assert "| fid: fid | 3.5 | n_fake=10 |" in text
    tensors, _ = load_tensors(tmp_path / "half" / "discriminator.safetensors")
    assert all(name.startswith("discriminator.") for name in tensors)
    half, whole = gz.load(tmp_path / "half", device="cpu"), gz.load(trained, device="cpu")
    assert next(half.parameters()).dtype == torch.float32
    assert (half.sample(4) - whole.sample(4)).abs().max() < 0.05
    found = json.loads(ganzoo("weights", "diff", trained, "half", "--json", cwd=tmp_path).out)
    assert found["index"]["precision"] == ["fp32", "fp16"]
    files = {tensor["file"] for tensor in found["tensors"]}
    assert files == {"discriminator.safetensors", "model.safetensors"}
    assert all(t["relative"] < 1e-2 for t in found["tensors"] if t["relative"] is not None)
    plain = ganzoo("weights", "diff", trained, trained, cwd=tmp_path)
    assert plain.code == 0 and not plain.out and " 0 differ" in plain.err


def test_verify_says_what_it_is_and_card_mends_a_card(ganzoo, trained, tmp_path):
    assert ganzoo("weights", "export", trained, "w", cwd=tmp_path).code == 0
    said = json.loads(ganzoo("weights", "verify", "w", "--json", cwd=tmp_path).out)
    assert said["state"] == "fits" and said["sha256"] == sha256(tmp_path / "w" / "ganzoo.json")
    assert said["plugin"] == "ganzoo-cgan 0.1.0"
    before = hashes(tmp_path / "w")
    (tmp_path / "w" / "README.md").write_text("<script>alert(1)</script>")
    done = ganzoo("weights", "verify", "w", cwd=tmp_path)
    assert done.code == 6 and "README.md is not the file" in done.error
    assert ganzoo("weights", "card", "w", cwd=tmp_path).code == 0
    assert hashes(tmp_path / "w") == before
    (tmp_path / "w" / "model.safetensors").write_bytes(b"")
    for verb in ("verify", "card"):
        assert ganzoo("weights", verb, "w", cwd=tmp_path).code == 6
    assert ganzoo("weights", "export", "w", "x", cwd=tmp_path).code == 6
    assert not (tmp_path / "x").exists()


def test_a_missing_plugin_a_newer_one_and_an_unknown_one_are_said(ganzoo, trained, tmp_path):
    assert ganzoo("weights", "export", trained, "w", cwd=tmp_path).code == 0
    off = {"GANZOO_PLUGINS": "shapes"}
    done = ganzoo("weights", "verify", "w", cwd=tmp_path, env=off)
    assert done.code == 0 and "is switched off" in done.out
    path = tmp_path / "w" / "ganzoo.json"
    index = json.loads(path.read_text())
    for change, code, words in (
        ({"api": 9}, 4, "plugin api 9, this is api 1: upgrade ganzoo-core"),
        ({"model": "swan"}, 4, "no installed plugin has"),
        ({"model": "os:system"}, 4, "no installed plugin has"),
        ({"config": {"depth": 3}}, 6, "does not fit ganzoo-cgan"),
        ({"config": {**index["config"], "width": 10**7}}, 6, "belongs to another model"),
        ({"data": {**index["data"], "size": 48}}, 6, "does not fit CGAN"),
    ):
        path.write_text(json.dumps({**index, **change}))
        done = ganzoo("sample", "w", "--out", "x.png", cwd=tmp_path)
        assert done.code == code and words in done.error, done.err
        assert "Traceback" not in done.err


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """An interpreter that has only the core and cgan, installed from wheels, and no ganzoo else."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home / "env", with_pip=False)
    site = next((home / "env").glob("lib/python*/site-packages"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--no-index",
            "--no-deps",
            "--no-build-isolation",
            "--target",
            site,
            ROOT,
            ROOT / "plugins" / "cgan",
        ],
        check=True,
        capture_output=True,
    )
    elsewhere = Path(torch.__file__).parents[1]
    other = {elsewhere, Path(sysconfig.get_paths()["purelib"]), Path(pytest.__file__).parents[1]}
    (site / "heavy.pth").write_text("\n".join(map(str, sorted(other))))
    return home / "env" / "bin" / "python"


def test_a_clean_environment_draws_the_same_pixels(clean, ganzoo, trained, tmp_path):
    assert ganzoo("weights", "export", trained, "w", cwd=tmp_path).code == 0
    assert ganzoo("sample", "w", "--seed", "3", "--out", "here.png", cwd=tmp_path).code == 0
    env = {**os.environ, "GANZOO_PLUGINS": "cgan"}
    where = "import ganzoo_core, ganzoo_cgan; print(ganzoo_core.__file__, ganzoo_cgan.__file__)"
    done = subprocess.run(
        [clean, "-c", where], check=True, capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert all(str(clean.parents[1]) in path for path in done.stdout.split())
    words = [clean, "-m", "ganzoo_core.cli"]
    for call in (["weights", "verify", "w"], ["sample", "w", "--seed", "3", "--out", "there.png"]):
        done = subprocess.run(
            [*words, *call], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    pixels = [np.asarray(Image.open(tmp_path / name)) for name in ("here.png", "there.png")]
    assert np.array_equal(*pixels) and pixels[0].std() > 1


# --- cards ----------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>\n---\nlicense: mit | `x` [a](javascript:b)"


def test_front_matter_is_what_hubs_read_even_of_hostile_words():
    yaml = pytest.importorskip("yaml")
    info = drawn(groups=(85,)).info.to_json()
    index = {
        **ABOUT,
        "model": HOSTILE,
        "license": "Apache-2.0",
        "can": ["edit_age", "sample"],
        "data": {**info, "name": HOSTILE, "classes": [HOSTILE, "b"], "license": "CC-BY-SA-3.0"},
        "metrics": [{"name": "fid", "value": 3.5, "stamp": {"n": HOSTILE}}],
        "parents": [{"role": "identity", "model": HOSTILE, "sha256": "0" * 64}],
        "plugin": {"distribution": HOSTILE, "version": "1"},
        "preset": HOSTILE,
    }
    text = card(index)
    assert not active_html(text) and "<script" not in text
    front = yaml.safe_load(text.split("---\n")[1])
    assert front == front_matter(index)
    assert front["license"] == "cc-by-sa-3.0", "the data's terms bind the weights"
    assert front["pipeline_tag"] == "image-to-image" and front["library_name"] == "ganzoo"
    assert front["model-index"][0]["results"][0]["metrics"][0]["value"] == 3.5
    academic = front_matter({**index, "data": {**info, "license": "academic research only"}})
    assert (academic["license"], academic["license_name"]) == ("other", "academic-research-only")


def test_a_card_made_to_hold_a_reader_up_is_read_in_no_time(trained):
    for text in ("<" * 400_000, "< " * 200_000, "<a " + "on" * 200_000, "](" * 200_000):
        assert not active_html(text)
    for text in ("<img src=x onerror = 'x'>", "[a]: javascript:x", "<a href='javascript:x'>"):
        assert active_html(text)


def test_the_hubs_own_reader_takes_the_card(trained):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(trained / "weights" / "README.md")
    assert card.data.license == "apache-2.0" and card.data.datasets == ["shapes"]


# --- tensors that are special ---------------------------------------------------------------------


class Special(VAE):
    """Tied weights, channels_last, and a buffer that is not saved."""

    def __init__(self, config, info):
        super().__init__(config, info)
        conv = nn.Conv2d(4, 4, 3, padding=1).to(memory_format=torch.channels_last)
        self.decoder.extra = nn.ModuleList([conv, nn.Conv2d(4, 4, 3, padding=1)])
        self.decoder.extra[1].weight = conv.weight
        self.decoder.register_buffer("kernel", torch.arange(3.0), persistent=False)


def test_tied_and_channels_last_weights_and_unsaved_buffers_survive(tmp_path):
    model = make(Special, drawn().info)
    bundle = write_bundle(tmp_path, model, ABOUT)
    for again in (assemble(Special, None, bundle), fill(make(Special, bundle.info, 9), bundle)):
        assert again.decoder.kernel.tolist() == [0, 1, 2]
        assert again.decoder.extra[1].weight is again.decoder.extra[0].weight
        mine = model.state_dict()
        assert all(torch.equal(mine[k], v) for k, v in again.state_dict().items())


def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path):
    model = make(VAE, drawn().info)
    parameter = next(model.decoder.parameters())
    bundle = write_bundle(tmp_path / "ok", model, ABOUT)
    with torch.no_grad():
        parameter.view(-1)[0] = 1e6
    with pytest.raises(WeightsError, match="too large for fp16: use bf16"):
        write_bundle(tmp_path / "x", model, ABOUT, precision="fp16")
    assert write_bundle(tmp_path / "b", model, ABOUT, precision="bf16")
    with torch.no_grad():
        parameter.view(-1)[0] = float("nan")
    with pytest.raises(WeightsError, match="not finite"):
        write_bundle(tmp_path / "x", model, ABOUT)
    assert not (tmp_path / "x").exists()
    path = bundle.path / "model.safetensors"
    tensors, about = load_tensors(path)
    double = {k: v.double() if v.is_floating_point() else v for k, v in tensors.items()}
    for change, words in (
        (dict(tensors), "not finite"),
        (double, "is float64, the model's is float32"),
    ):
        if words == "not finite":
            name = next(k for k, v in change.items() if v.is_floating_point())
            change[name] = change[name] * float("inf")
        save_tensors(path, change, about)
        with pytest.raises(WeightsError, match=words):
            fill(make(VAE, bundle.info), bundle)


def test_a_comparison_names_what_differs(tmp_path):
    a = write_bundle(tmp_path / "a", make(VAE, drawn().info), ABOUT)
    b = write_bundle(tmp_path / "b", make(VAE, drawn().info, seed=2), {**ABOUT, "rounds": 3})
    found = compare(a, b)
    assert found.index == {"rounds": (None, 3)} and found.equal > 0
    assert all(t.what == "values" and t.largest > 0 for t in found.tensors) and found.tensors
    assert compare(a, a).tensors == () and compare(a, a).index == {}


# --- ONNX -----------------------------------------------------------------------------------------


def test_a_generator_as_onnx_computes_the_same(ganzoo, trained, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    done = ganzoo("weights", "to-onnx", trained, "g.onnx", cwd=tmp_path)
    assert (done.code, done.out) == (0, "g.onnx\n"), done.err
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx", providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["z", "label"]
    model = gz.load(trained, device="cpu")
    for n in (1, 5):  # the batch is free
        z, label = torch.randn(n, 16), torch.arange(n) % 6
        (found,) = session.run(None, {"z": z.numpy(), "label": label.numpy()})
        with torch.no_grad():
            wanted = model.generator(z, label)
        assert torch.allclose(torch.from_numpy(found), wanted, atol=1e-5)
    done = ganzoo("weights", "to-onnx", trained, "g.txt", cwd=tmp_path)
    assert done.code == 2 and "must end in .onnx" in done.error


def test_a_model_that_is_no_graph_is_refused(tmp_path):
    pytest.importorskip("onnxscript")
    with pytest.raises(UsageError, match="nothing that one ONNX graph can be"):
        to_onnx(make(VAE, drawn().info), tmp_path / "x.onnx")
