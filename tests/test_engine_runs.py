"""Runs of a model class that no plugin registers: metrics, resume, trackers, weights."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from contract_models import CONTRACT_MODELS, VAE, AuxiliaryLossModel, EncoderGAN, LazyADA
from training_helpers import (
    build_model,
    differing_keys,
    last_checkpoint_state,
    read_metrics,
    train_run,
)

import ganzoo_core as gz
from ganzoo_core.errors import DivergedError, Interrupted, UsageError
from ganzoo_core.files import load_tensors
from ganzoo_core.testing.shapes import Shapes, ShapesConfig
from ganzoo_core.training import trackers
from ganzoo_core.weights.pretrained import inference_state_dict
from ganzoo_core.zoo import Plugin, import_target, zoo

SMALL_INFO = gz.DataInfo(image_size=16, class_names=("bare", "cap", "cone"))


class InterruptedGAN(LazyADA):
    """Raises in step 7, after the checkpoint of step 5."""

    is_interrupted = False

    def generator_loss(self, ctx):
        if self.is_interrupted and int(ctx.images_seen) // 8 == 7:
            raise KeyboardInterrupt
        return super().generator_loss(ctx)


def test_resume_after_crash_is_bit_exact(tmp_path, monkeypatch):
    monkeypatch.setattr(InterruptedGAN, "is_interrupted", True)
    with pytest.raises(KeyboardInterrupt):
        train_run(InterruptedGAN, tmp_path / "parts")
    with (tmp_path / "parts" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "stale": 1}\n{"step": 9, "sta')
    monkeypatch.setattr(InterruptedGAN, "is_interrupted", False)
    resumed = gz.resume(tmp_path / "parts", model=InterruptedGAN, quiet=True)
    straight = train_run(InterruptedGAN, tmp_path / "straight")
    assert resumed.steps == straight.steps == 11
    states = [last_checkpoint_state(run.path) for run in (resumed, straight)]
    assert differing_keys(*states) == []
    assert read_metrics(resumed.path) == read_metrics(straight.path)
    assert [line["step"] for line in read_metrics(straight.path)] == [4, 8, 11]
    weights = [
        load_tensors(r.path / "weights" / "model.safetensors")[0] for r in (resumed, straight)
    ]
    assert differing_keys(*weights) == []


def test_longer_run_under_a_scheduler_warns(tmp_path, capsys):
    train_run(VAE, tmp_path, {"train": {"lr_scheduler": "constant-linear"}}, steps=2)
    for steps in (None, 4):
        gz.resume(tmp_path, steps=steps, model=VAE, quiet=True)
        warnings = [line for line in capsys.readouterr().err.splitlines() if "lr_scheduler" in line]
        assert len(warnings) == (steps is not None)
    assert "2 until now and 4 from here" in warnings[0]


def test_extended_run_matches_long_run(tmp_path):
    train_run(VAE, tmp_path / "parts", steps=6)
    assert [line["step"] for line in read_metrics(tmp_path / "parts")] == [4, 6]
    gz.resume(tmp_path / "parts", steps=10, model=VAE, quiet=True)
    straight = train_run(VAE, tmp_path / "straight", steps=10)
    found = read_metrics(tmp_path / "parts")
    assert [line["step"] for line in found] == [4, 8, 10]
    for line in found:
        line["total_steps"] = 10
    assert found == read_metrics(straight.path)


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    run = train_run(VAE, tmp_path / "run", steps=6)
    before, state = read_metrics(run.path), last_checkpoint_state(run.path)
    again = gz.resume(run.path, model=VAE, quiet=True)
    assert again.steps == 6 and read_metrics(run.path) == before
    assert differing_keys(last_checkpoint_state(run.path), state) == []


def test_train_model_object_with_auxiliaries(tmp_path):
    info = gz.DataInfo(image_size=16, class_names=("bare", "cap", "cone"))
    run = train_run(build_model(AuxiliaryLossModel, info), tmp_path / "run", steps=4)
    again = gz.resume(run.path, steps=6, model=build_model(AuxiliaryLossModel, info), quiet=True)
    straight = train_run(build_model(AuxiliaryLossModel, info), tmp_path / "straight", steps=6)
    states = [last_checkpoint_state(run.path) for run in (again, straight)]
    assert differing_keys(*states) == []
    text = (run.path / "weights" / "README.md").read_text()
    assert "untrained" not in text  # the number of images of each class is unknown


class SelfContainedAuxiliaryModel(AuxiliaryLossModel):
    """Builds its auxiliary network in its constructor."""

    auxiliary_roles = ()

    def __init__(self, config, info):
        super().__init__(config, info)
        self.auxiliaries = build_model(AuxiliaryLossModel, info).auxiliaries


@pytest.mark.parametrize("cls", CONTRACT_MODELS, ids=lambda c: c.__name__)
def test_contract_models_save_and_load(cls, tmp_path):
    if cls is AuxiliaryLossModel:
        cls = SelfContainedAuxiliaryModel
    run = train_run(cls, tmp_path / "run", steps=2)
    model = gz.load(run.path, model=cls)
    tensors, _ = load_tensors(run.path / "weights" / "model.safetensors")
    assert differing_keys(tensors, inference_state_dict(model)) == []
    if hasattr(cls, "generate"):
        assert torch.equal(model.sample(2, seed=3), run.model.sample(2, seed=3))


def test_resume_unregistered_model_needs_class(tmp_path):
    run = train_run(VAE, tmp_path / "run", steps=1)
    with pytest.raises(UsageError, match="VAE"):
        gz.resume(run.path, quiet=True)


class PresetConfig(gz.ModelConfig):
    """One option and two presets."""

    latent_dim: int = 3
    """Dimensions of the latent z."""
    presets = {
        "smoke": {
            "model": {"latent_dim": 5},
            "data": {"name": "shapes", "image_size": 16, "count": 40, "num_identities": 6},
            "train": {"batch_size": 8, "steps": 2, "device": "cpu", "precision": "fp32"},
        },
        "quick": {"train": {"steps": 3}},
    }


class PresetVAE(VAE):
    """A class with options and presets of its own."""

    Config = PresetConfig


def test_config_of_a_class(tmp_path):
    run = gz.train(PresetVAE, preset="smoke", out=tmp_path / "smoke", quiet=True)
    assert (run.steps, run.model.config.latent_dim) == (2, 5)
    assert run.folder.read_config()["run"] == {"model": "object:PresetVAE", "preset": "smoke"}
    again = gz.resume(run.path, 3, model=PresetVAE, quiet=True)
    assert (again.steps, again.model.config.latent_dim) == (3, 5)
    assert gz.load(run.path, model=PresetVAE).config == PresetConfig(latent_dim=5)
    default = train_run(PresetVAE, tmp_path / "default", {"model": {"latent_dim": 7}})
    assert (default.steps, default.model.config.latent_dim) == (3, 7)


def test_registered_class_is_trained_as_its_plugin(tmp_path):
    cls = import_target(zoo().model("gan").target)
    run = gz.train(cls, "shapes", preset="smoke", steps=1, out=tmp_path / "run", quiet=True)
    assert run.folder.read_config()["run"] == {"model": "gan", "preset": "smoke"}


@pytest.mark.parametrize(
    ("make_model", "options", "message"),
    [
        (lambda: VAE, {"preset": "nonsense"}, "'nonsense': the model defines none"),
        (lambda: PresetVAE, {"preset": "smok"}, 'Did you mean "smoke"'),
        (lambda: PresetVAE(PresetConfig(), SMALL_INFO), {"preset": "smoke"}, "give the class"),
        (lambda: PresetVAE(PresetConfig(), SMALL_INFO), {"preset": "nonsense"}, "'nonsense'"),
        (lambda: VAE, {"options": {"model": {"latent_dim": 1}}}, "model.latent_dim"),
        (lambda: VAE, {"options": {"trian": {"steps": 1}}}, 'Did you mean "train"'),
        (lambda: PresetVAE, {"options": {"model": {"latent_dims": 1}}}, '"model.latent_dim"'),
        (lambda: type("Plain", (VAE,), {"Config": dict}), {}, "Plain.Config"),
    ],
)
def test_wrong_options_of_a_class_refused(tmp_path, make_model, options, message):
    with pytest.raises(gz.GanzooError) as caught:
        gz.train(make_model(), "shapes", out=tmp_path / "run", quiet=True, **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_trackers_receive_all_events(tmp_path, monkeypatch):
    events = []
    hooks = {
        "ganzoo_run_started": lambda **v: events.append("started"),
        "ganzoo_step_logged": lambda **v: events.append(v["record"]["step"]),
        "ganzoo_checkpoint_saved": lambda **v: events.append(v["path"].name[:8]),
        "ganzoo_run_finished": lambda **v: events.append(v["status"]),
    }
    good = Plugin("good", "", "", hooks=hooks)
    monkeypatch.setattr(trackers, "zoo", lambda: SimpleNamespace(plugins=[good]))
    train_run(VAE, tmp_path / "run", steps=6)
    assert events == ["started", "00000000", 4, "00000005", 6, "00000006", "finished"]


def test_failing_tracker_is_disabled(monkeypatch):
    calls, warnings = [], []

    class FailingTracker(Plugin):
        """Raises in every hook."""

        def call_hook(self, name, **values):
            calls.append(name)
            raise RuntimeError("no network")

    class RecordingTracker(Plugin):
        """Records every hook."""

        def call_hook(self, name, **values):
            calls.append(f"fine {name}")

    plugins = [
        FailingTracker("broken", "", "", hooks={"ganzoo_step_logged": None}),
        RecordingTracker("fine", "", "", hooks={"ganzoo_step_logged": None}),
        FailingTracker("failed to load", "", ""),
    ]
    monkeypatch.setattr(trackers, "zoo", lambda: SimpleNamespace(plugins=plugins))
    tracked = trackers.Trackers(warnings.append)
    for _ in range(3):
        tracked.call_hook("ganzoo_step_logged", run=None, record={})
    assert calls == ["ganzoo_step_logged", *["fine ganzoo_step_logged"] * 3]
    (warning,) = warnings
    assert "broken" in warning and "no network" in warning


class NaNLossVAE(VAE):
    """The loss is NaN from step 5 on."""

    def elbo(self, ctx):
        return super().elbo(ctx) * torch.where(ctx.images_seen >= 40, torch.nan, 1.0)


def test_diverged_run_keeps_checkpoint(tmp_path):
    with pytest.raises(DivergedError):
        train_run(NaNLossVAE, tmp_path / "run", steps=20)
    assert all(t.isfinite().all() for t in last_checkpoint_state(tmp_path / "run").values())
    run = gz.resume(tmp_path / "run", steps=7, model=VAE, quiet=True)
    assert run.steps == 7


def test_metrics_record_stage(tmp_path):
    run = train_run(EncoderGAN, tmp_path / "run")
    assert [(x["step"], x["stage"]) for x in read_metrics(run.path)] == [
        (4, "gan"),
        (8, "encoder"),
        (12, "encoder"),
    ]
    assert set(read_metrics(run.path)[-1]) == {
        "step",
        "total_steps",
        "stage",
        "images_seen",
        "loss/e",
        "grad_norm/e",
    }


def test_interrupted_exit_code():
    assert Interrupted("stopped", 130).exit_code == 130


class UndecodableShapes(Shapes):
    """Fails if an image is decoded."""

    def load_image(self, index):
        """Fail."""
        raise AssertionError("an image was decoded")

    load_images = load_image


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dcgan", {"model": {"terms": {"adc": {}}}}, r"model\.terms\.adc"),
        ("dcgan", {"model": {"terms": {"r1": {}}}}, r"model\.terms\.r1.*discriminator\.norm"),
        ("cgan", {"data": {"image_size": 48}}, r"data\.image_size"),
        ("cgan", {"train": {"gam": {"steps": 2}}}, r"train\.gam"),
        (
            "cgan",
            {"train": {"more": {"phases_of": "gam", "steps": 2}}},
            r"train\.more\.phases_of",
        ),
    ],
)
def test_refused_before_an_image_is_decoded(name, options, message, tmp_path):
    size = options.get("data", {}).get("image_size", 32)
    data = UndecodableShapes(ShapesConfig(name="shapes", count=8, image_size=size))
    out = tmp_path / "run"
    with pytest.raises(gz.errors.GanzooError, match=message) as error:
        gz.train(name, data, preset="smoke", options=options, out=out, device="cpu", quiet=True)
    assert "\n" not in str(error.value) and not out.exists()


def test_missing_field_refused_before_an_image_is_decoded():
    data = UndecodableShapes(ShapesConfig(name="shapes", count=8, image_size=32))
    data.metadata = lambda: replace(Shapes.metadata(data), labels=None, ages=None)
    with pytest.raises(gz.errors.DataError, match=r"the model needs 'label'"):
        gz.train("cgan", data, preset="smoke", device="cpu", quiet=True)
