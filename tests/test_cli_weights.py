"""`ganzoo weights` on a trained run and in a clean environment; model cards; ONNX."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from contract_models import VAE
from huggingface_hub import ModelCard
from PIL import Image
from torch import nn
from training_helpers import build_model, make_images

import ganzoo_core as gz
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import file_sha256, load_tensors, save_tensors
from ganzoo_core.weights import build_and_load, load_into, read_pretrained, save_pretrained
from ganzoo_core.weights.card_html import find_active_html
from ganzoo_core.weights.diff import diff_pretrained
from ganzoo_core.weights.model_card import card_data, render_model_card
from ganzoo_core.weights.onnx import export_onnx

ROOT = Path(__file__).parents[1]
INDEX_FIELDS = {"model": "object:VAE", "config": {}}


def file_hashes(folder):
    return {path.name: file_sha256(path) for path in folder.iterdir()}


def test_export_is_deterministic(run_ganzoo, trained_run, tmp_path):
    for name, seed in (("a", "1"), ("b", "2")):
        done = run_ganzoo(
            "weights", "export", trained_run, name, cwd=tmp_path, env={"PYTHONHASHSEED": seed}
        )
        assert (done.code, done.out) == (0, f"{name}\n"), done.err
    hashes = file_hashes(tmp_path / "a")
    assert hashes == file_hashes(tmp_path / "b") == file_hashes(trained_run / "weights")
    assert set(hashes) == {
        "README.md",
        "ganzoo.json",
        "model.safetensors",
        "samples.png",
        "training_images.safetensors",
    }


def test_list_shows_cached_weights_without_torch(trained_run, tmp_path):
    for number in range(3):
        shutil.copytree(trained_run / "weights", tmp_path / "weights" / f"{number}a")
    (tmp_path / "weights" / "1a" / "ganzoo.json").write_text("{")
    (tmp_path / "weights" / "2a" / "ganzoo.json").write_text('{"model": 3}')
    code = (
        "import sys\nsys.modules['torch'] = None\n"
        "from ganzoo_core.cli.main import main\nmain(['weights', 'list', '--json'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "GANZOO_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in json.loads(done.stdout) if row["state"] == "cached"]
    folder = tmp_path / "weights" / "0a"
    assert (row["name"], row["path"], row["summary"]) == ("cgan", str(folder), str(folder))
    assert row["sha256"] == file_sha256(folder / "ganzoo.json") and row["license"]


def test_index_is_complete(trained_run):
    index = json.loads((trained_run / "weights" / "ganzoo.json").read_text())
    assert index["plugin"]["distribution"] == "ganzoo-cgan" and index["plugin"]["version"]
    assert index["api"] == 1 and index["capabilities"] == ["sample"] and index["preset"] == "smoke"
    assert index["config"]["base_channels"] == 8 and index["train"]["batch_size"] == 16
    assert index["data"]["name"] == "shapes" and len(index["data"]["class_names"]) == 6
    assert index["preprocessing"]["image_size"] == 32 and index["preprocessing"]["range"] == [-1, 1]
    assert index["steps"] == 20 and index["license"] == "Apache-2.0"


def test_export_precision_networks_metrics(run_ganzoo, trained_run, tmp_path):
    results = {
        "fid": {"settings": {"num_fake": 10}, "values": {"fid": {"value": 3.5, "better": "lower"}}}
    }
    (trained_run / "report" / "evaluation.json").write_text(
        json.dumps({"format": 1, "results": results})
    )
    try:
        words = (
            "weights",
            "export",
            trained_run,
            "half",
            "--precision",
            "fp16",
            "--include-module",
            "discriminator",
        )
        assert run_ganzoo(*words, cwd=tmp_path).code == 0
        done = run_ganzoo(
            "weights", "export", trained_run, "x", "--include-module", "discrimnator", cwd=tmp_path
        )
        assert done.code == 2 and '"discriminator"' in done.error
    finally:
        (trained_run / "report" / "evaluation.json").unlink()
    assert read_pretrained(tmp_path / "half").index["metrics"] == [
        {"name": "fid: fid", "value": 3.5, "settings": {"num_fake": 10}},
    ]
    text = (tmp_path / "half" / "README.md").read_text()
    assert "| fid: fid | 3.5 |  |" in text
    tensors, _ = load_tensors(tmp_path / "half" / "discriminator.safetensors")
    assert all(name.startswith("discriminator.") for name in tensors)
    half, whole = gz.load(tmp_path / "half", device="cpu"), gz.load(trained_run, device="cpu")
    assert next(half.parameters()).dtype == torch.float32
    assert (half.sample(4) - whole.sample(4)).abs().max() < 0.05
    found = json.loads(
        run_ganzoo("weights", "diff", trained_run, "half", "--json", cwd=tmp_path).out
    )
    assert found["index"]["precision"] == ["fp32", "fp16"]
    files = {tensor["file"] for tensor in found["tensors"]}
    assert files == {"discriminator.safetensors", "model.safetensors"}
    assert all(
        t["relative_norm"] < 1e-2 for t in found["tensors"] if t["relative_norm"] is not None
    )
    plain = run_ganzoo("weights", "diff", trained_run, trained_run, cwd=tmp_path)
    assert (plain.code, plain.out) == (0, "")


def test_verify_and_card_commands(run_ganzoo, trained_run, tmp_path):
    assert run_ganzoo("weights", "export", trained_run, "w", cwd=tmp_path).code == 0
    facts = json.loads(run_ganzoo("weights", "verify", "w", "--json", cwd=tmp_path).out)
    assert facts["load_status"] == "ok" and facts["plugin"] == "ganzoo-cgan 0.1.0"
    assert facts["sha256"] == file_sha256(tmp_path / "w" / "ganzoo.json")
    before = file_hashes(tmp_path / "w")
    (tmp_path / "w" / "README.md").write_text("<script>alert(1)</script>")
    done = run_ganzoo("weights", "verify", "w", cwd=tmp_path)
    assert done.code == 6 and "README.md" in done.error
    assert run_ganzoo("weights", "card", "w", cwd=tmp_path).code == 0
    assert file_hashes(tmp_path / "w") == before
    (tmp_path / "w" / "model.safetensors").write_bytes(b"")
    for command in ("verify", "card"):
        assert run_ganzoo("weights", command, "w", cwd=tmp_path).code == 6
    assert run_ganzoo("weights", "export", "w", "x", cwd=tmp_path).code == 6
    assert not (tmp_path / "x").exists()


def test_verify_plugin_problems(run_ganzoo, trained_run, tmp_path):
    assert run_ganzoo("weights", "export", trained_run, "w", cwd=tmp_path).code == 0
    without_cgan = {"GANZOO_PLUGINS": "shapes"}
    done = run_ganzoo("weights", "verify", "w", "--json", cwd=tmp_path, env=without_cgan)
    assert done.code == 0 and "cgan" in json.loads(done.out)["load_status"]
    path = tmp_path / "w" / "ganzoo.json"
    index = json.loads(path.read_text())
    for change, code, named in (
        ({"api": 9}, 4, "api 9"),
        ({"model": "swan"}, 4, "swan"),
        ({"model": "os:system"}, 4, "os:system"),
        ({"config": {"depth": 3}}, 6, "depth"),
        ({"config": {**index["config"], "base_channels": 10**7}}, 6, "generator."),
        ({"data": {**index["data"], "image_size": 48}}, 6, "CGAN"),
    ):
        path.write_text(json.dumps({**index, **change}))
        done = run_ganzoo("sample", "w", "--out", "x.png", cwd=tmp_path)
        assert done.code == code and named in done.error, done.err
        assert "Traceback" not in done.err


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory):
    """A Python with only the core and cgan of ganzoo, installed from wheels."""
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
    torch_site = Path(torch.__file__).parents[1]
    other = {torch_site, Path(sysconfig.get_paths()["purelib"]), Path(pytest.__file__).parents[1]}
    (site / "heavy.pth").write_text("\n".join(map(str, sorted(other))))
    return home / "env" / "bin" / "python"


def test_clean_environment_samples_identically(clean_python, run_ganzoo, trained_run, tmp_path):
    assert run_ganzoo("weights", "export", trained_run, "w", cwd=tmp_path).code == 0
    assert run_ganzoo("sample", "w", "--seed", "3", "--out", "full.png", cwd=tmp_path).code == 0
    env = {**os.environ, "GANZOO_PLUGINS": "cgan"}
    code = "import ganzoo_core, ganzoo_cgan; print(ganzoo_core.__file__, ganzoo_cgan.__file__)"
    done = subprocess.run(
        [clean_python, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=env,
        cwd=tmp_path,
    )
    assert all(str(clean_python.parents[1]) in path for path in done.stdout.split())
    ganzoo = [clean_python, "-m", "ganzoo_core.cli"]
    for args in (["weights", "verify", "w"], ["sample", "w", "--seed", "3", "--out", "clean.png"]):
        done = subprocess.run(
            [*ganzoo, *args], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    pixels = [np.asarray(Image.open(tmp_path / name)) for name in ("full.png", "clean.png")]
    assert np.array_equal(*pixels) and pixels[0].std() > 1


# --- cards ----------------------------------------------------------------------------------------

HOSTILE_TEXT = "<script>alert(1)</script>\n---\nlicense: mit | `x` [a](javascript:b)"


def test_card_front_matter_is_escaped():
    info = make_images(age_bins=(85,)).info.to_json()
    index = {
        **INDEX_FIELDS,
        "model": HOSTILE_TEXT,
        "license": "Apache-2.0",
        "capabilities": ["edit_age", "sample"],
        "data": {
            **info,
            "name": HOSTILE_TEXT,
            "class_names": [HOSTILE_TEXT, "b"],
            "license": "CC-BY-SA-3.0",
        },
        "metrics": [{"name": "fid", "value": 3.5, "settings": {"n": HOSTILE_TEXT}}],
        "auxiliaries": [{"role": "identity", "model": HOSTILE_TEXT, "sha256": "0" * 64}],
        "plugin": {"distribution": HOSTILE_TEXT, "version": "1"},
        "preset": HOSTILE_TEXT,
    }
    text = render_model_card(index)
    assert not find_active_html(text) and "<script" not in text
    front = yaml.safe_load(text.split("---\n")[1])
    assert front == card_data(index).to_dict()
    assert ModelCard(text).data.to_dict() == front, "the hub's own reader agrees"
    assert front["license"] == "cc-by-sa-3.0", "the data's terms bind the weights"
    assert front["pipeline_tag"] == "image-to-image" and front["library_name"] == "ganzoo"
    assert front["model-index"][0]["results"][0]["metrics"][0]["value"] == 3.5
    academic = card_data({**index, "data": {**info, "license": "academic research only"}})
    assert (academic.license, academic.license_name) == ("other", "academic-research-only")


def test_card_html_check_is_linear(trained_run):
    start = time.process_time()
    for text in ("<" * 400_000, "< " * 200_000, "](" * 200_000, "<https://" + "on" * 200_000):
        find_active_html(text)
    for text in ("<a " * 200_000, "<!--" * 200_000, "]:\n" * 200_000 + "x:", "&#" * 200_000):
        find_active_html(text)
    assert time.process_time() - start < 5
    for text in ("<img src=x onerror = 'x'>", "[a]: javascript:x", "<a href='javascript:x'>"):
        assert find_active_html(text)


def test_huggingface_reads_card(trained_run):
    card = ModelCard.load(trained_run / "weights" / "README.md")
    assert card.data.license == "apache-2.0" and card.data.datasets == ["shapes"]


# --- tied, channels-last and non-finite tensors ---------------------------------------------------


class TiedWeightsVAE(VAE):
    """Tied weights, channels last, and a buffer that is not saved."""

    def __init__(self, config, info):
        super().__init__(config, info)
        conv = nn.Conv2d(4, 4, 3, padding=1).to(memory_format=torch.channels_last)
        self.decoder.extra = nn.ModuleList([conv, nn.Conv2d(4, 4, 3, padding=1)])
        self.decoder.extra[1].weight = conv.weight
        self.decoder.register_buffer("kernel", torch.arange(3.0), persistent=False)


def test_tied_and_channels_last_round_trip(tmp_path):
    model = build_model(TiedWeightsVAE, make_images().info)
    pretrained = save_pretrained(tmp_path, model, INDEX_FIELDS)
    for loaded in (
        build_and_load(TiedWeightsVAE, None, pretrained),
        load_into(build_model(TiedWeightsVAE, pretrained.info, 9), pretrained),
    ):
        assert loaded.decoder.kernel.tolist() == [0, 1, 2]
        assert loaded.decoder.extra[1].weight is loaded.decoder.extra[0].weight
        saved = model.state_dict()
        assert all(torch.equal(saved[k], v) for k, v in loaded.state_dict().items())


def test_nonfinite_weights_refused(tmp_path):
    model = build_model(VAE, make_images().info)
    parameter = next(model.decoder.parameters())
    pretrained = save_pretrained(tmp_path / "ok", model, INDEX_FIELDS)
    with torch.no_grad():
        parameter.view(-1)[0] = 1e6
    with pytest.raises(WeightsError, match="fp16"):
        save_pretrained(tmp_path / "x", model, INDEX_FIELDS, precision="fp16")
    assert save_pretrained(tmp_path / "b", model, INDEX_FIELDS, precision="bf16")
    with torch.no_grad():
        parameter.view(-1)[0] = float("nan")
    with pytest.raises(WeightsError):
        save_pretrained(tmp_path / "x", model, INDEX_FIELDS)
    assert not (tmp_path / "x").exists()
    path = pretrained.path / "model.safetensors"
    tensors, metadata = load_tensors(path)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    for changed in (tensors[name] * float("inf"), tensors[name].double()):
        save_tensors(path, {**tensors, name: changed}, metadata)
        with pytest.raises(WeightsError, match=name):
            load_into(build_model(VAE, pretrained.info), pretrained)


def test_weights_diff(tmp_path):
    a = save_pretrained(tmp_path / "a", build_model(VAE, make_images().info), INDEX_FIELDS)
    b = save_pretrained(
        tmp_path / "b", build_model(VAE, make_images().info, seed=2), {**INDEX_FIELDS, "steps": 3}
    )
    found = diff_pretrained(a, b)
    assert found.index == {"steps": (None, 3)} and found.num_equal > 0
    assert all(t.kind == "values" and t.max_abs > 0 for t in found.tensors) and found.tensors
    assert diff_pretrained(a, a).tensors == () and diff_pretrained(a, a).index == {}


# --- ONNX -----------------------------------------------------------------------------------------


def test_onnx_export_matches(run_ganzoo, trained_run, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    done = run_ganzoo("weights", "to-onnx", trained_run, "g.onnx", cwd=tmp_path)
    assert (done.code, done.out) == (0, "g.onnx\n"), done.err
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx", providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["z", "label"]
    model = gz.load(trained_run, device="cpu")
    for n in (1, 5):  # any batch size
        z, label = torch.randn(n, 16), torch.arange(n) % 6
        (found,) = session.run(None, {"z": z.numpy(), "label": label.numpy()})
        with torch.no_grad():
            expected = model.generator(z, label)
        assert torch.allclose(torch.from_numpy(found), expected, atol=1e-5)
    done = run_ganzoo("weights", "to-onnx", trained_run, "g.txt", cwd=tmp_path)
    assert done.code == 2 and ".onnx" in done.error


def test_onnx_export_refuses_sampling_loop(tmp_path):
    pytest.importorskip("onnxscript")
    with pytest.raises(UsageError, match="ONNX"):
        export_onnx(build_model(VAE, make_images().info), tmp_path / "x.onnx")
