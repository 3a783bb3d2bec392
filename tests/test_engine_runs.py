"""Runs of a model that is a class of one's own: metrics, resume, trackers, bundle."""

import json
from types import SimpleNamespace

import pytest
import torch
from workbench import differences, make
from zoo_of_proofs import PROOFS, VAE, EncoderGAN, Judged, LazyADA

import ganzoo_core as gz
from ganzoo_core.errors import DivergedError, Interrupted, UsageError
from ganzoo_core.files import load_tensors
from ganzoo_core.runs import trackers
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.weights.bundle import served

OPTIONS = {
    "data": {"size": 16, "count": 40, "people": 6},
    "train": {
        "batch": 8,
        "log_every": 4,
        "checkpoint_every": 5,
        "device": "cpu",
        "precision": "fp32",
        "sample_every": 1000,
    },
}


def train(cls, out, **more):
    return gz.train(cls, "shapes", options=OPTIONS, out=out, quiet=True, **more)


def last_state(run):
    path = max(RunFolder(run).checkpoints.glob("*.safetensors"))
    return load_tensors(path)[0]


def metrics(run):
    lines = RunFolder(run).metrics.read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "seconds"} for x in lines]


class Stops(LazyADA):
    """Raises as a power cut would: in round 7, after the checkpoint of round 5."""

    def generator_loss(self, t):
        if self.cut and self.seen_rounds(t) == 7:
            raise KeyboardInterrupt
        return super().generator_loss(t)

    def seen_rounds(self, t):
        return int(t.seen) // 8

    cut = False


@pytest.fixture
def cut(monkeypatch):
    monkeypatch.setattr(Stops, "cut", True)
    return monkeypatch


def test_a_crashed_run_resumes_to_the_metrics_and_bits_of_one_that_never_did(tmp_path, cut):
    with pytest.raises(KeyboardInterrupt):
        train(Stops, tmp_path / "parts")
    with (tmp_path / "parts" / "metrics.jsonl").open("a") as file:
        file.write('{"round": 6, "stale": 1}\n{"round": 9, "sta')
    cut.setattr(Stops, "cut", False)
    resumed = gz.resume(tmp_path / "parts", model=Stops, quiet=True)
    straight = train(Stops, tmp_path / "straight")
    assert resumed.rounds == straight.rounds == 11
    assert differences(last_state(resumed.path), last_state(straight.path)) == []
    assert metrics(resumed.path) == metrics(straight.path)
    assert [line["round"] for line in metrics(straight.path)] == [4, 8, 11]
    weights = [
        load_tensors(r.path / "weights" / "model.safetensors")[0] for r in (resumed, straight)
    ]
    assert differences(*weights) == []


def test_a_longer_run_has_the_metrics_of_one_planned_so(tmp_path):
    train(VAE, tmp_path / "parts", steps=6)
    assert [line["round"] for line in metrics(tmp_path / "parts")] == [4, 6]
    gz.resume(tmp_path / "parts", steps=10, model=VAE, quiet=True)
    straight = train(VAE, tmp_path / "straight", steps=10)
    found = metrics(tmp_path / "parts")
    assert [line["round"] for line in found] == [4, 8, 10]
    for line in found:
        line["rounds"] = 10
    assert found == metrics(straight.path)


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    run = train(VAE, tmp_path / "run", steps=6)
    before, state = metrics(run.path), last_state(run.path)
    again = gz.resume(run.path, model=VAE, quiet=True)
    assert again.rounds == 6 and metrics(run.path) == before
    assert differences(last_state(run.path), state) == []


def test_a_model_object_may_be_trained_with_judges_of_its_own(tmp_path):
    info = gz.DataInfo(size=16, classes=("bare", "cap", "cone"))
    run = train(make(Judged, info), tmp_path / "run", steps=4)
    again = gz.resume(run.path, steps=6, model=make(Judged, info), quiet=True)
    straight = train(make(Judged, info), tmp_path / "straight", steps=6)
    assert differences(last_state(again.path), last_state(straight.path)) == []
    text = (run.path / "weights" / "README.md").read_text()
    assert "untrained" not in text  # nobody counted its classes


@pytest.mark.parametrize("cls", PROOFS, ids=lambda c: c.__name__)
def test_every_proof_makes_a_bundle_that_loads(cls, tmp_path):
    if cls is Judged:
        cls = type("Judged", (Judged,), {"uses": ()})  # it brings its judge along
        cls.__init__ = lambda self, config, info: (
            Judged.__init__(self, config, info),
            setattr(self, "judges", make(Judged, info).judges),
        )[0]
    run = train(cls, tmp_path / "run", steps=2)
    model = gz.load(run.path, model=cls)
    tensors, _ = load_tensors(run.path / "weights" / "model.safetensors")
    assert differences(tensors, served(model)) == []
    if hasattr(cls, "generate"):
        assert torch.equal(model.sample(2, seed=3), run.model.sample(2, seed=3))


def test_a_run_of_ones_own_class_needs_it_to_resume(tmp_path):
    run = train(VAE, tmp_path / "run", steps=1)
    with pytest.raises(UsageError, match="no model of the zoo"):
        gz.resume(run.path, quiet=True)


def test_divergence_and_interruption_are_told_to_trackers(tmp_path, monkeypatch):
    told = []
    hooks = SimpleNamespace(
        ganzoo_run_started=lambda **v: told.append("started"),
        ganzoo_round_logged=lambda **v: told.append(v["record"]["round"]),
        ganzoo_checkpoint_saved=lambda **v: told.append(v["path"].name[:8]),
        ganzoo_run_finished=lambda **v: told.append(v["status"]),
    )
    good = SimpleNamespace(name="good", manager=SimpleNamespace(hook=hooks))
    monkeypatch.setattr(trackers, "zoo", lambda: SimpleNamespace(plugins=[good]))
    train(VAE, tmp_path / "run", steps=6)
    assert told == ["started", "00000000", 4, "00000005", 6, "00000006", "finished"]


def test_a_tracker_that_raises_is_reported_once_and_switched_off(monkeypatch):
    calls, warnings = [], []

    class Broken:
        """Raises in every hook."""

        def __getattr__(self, hook):
            def call(**values):
                calls.append(hook)
                raise RuntimeError("no network")

            return call

    class Fine:
        """Listens."""

        def __getattr__(self, hook):
            return lambda **values: calls.append(f"fine {hook}")

    plugins = [
        SimpleNamespace(name=name, manager=SimpleNamespace(hook=hook))
        for name, hook in (("broken", Broken()), ("fine", Fine()), ("failed to load", None))
    ]
    plugins[2].manager = None
    monkeypatch.setattr(trackers, "zoo", lambda: SimpleNamespace(plugins=plugins))
    mine = trackers.Trackers(warnings.append)
    for _ in range(3):
        mine.call("ganzoo_round_logged", run=None, record={})
    assert calls == ["ganzoo_round_logged", *["fine ganzoo_round_logged"] * 3]
    (warning,) = warnings
    assert "broken" in warning and "no network" in warning and "switched off" in warning


class Lost(VAE):
    """NaN from the sixth round on."""

    def elbo(self, t):
        return super().elbo(t) * torch.where(t.seen >= 40, torch.nan, 1.0)


def test_a_diverged_run_keeps_its_last_checkpoint_and_says_so(tmp_path):
    with pytest.raises(DivergedError, match="round 8"):
        train(Lost, tmp_path / "run", steps=20)
    assert all(t.isfinite().all() for t in last_state(tmp_path / "run").values())
    run = gz.resume(tmp_path / "run", steps=7, model=VAE, quiet=True)
    assert run.rounds == 7


def test_stages_show_in_the_metrics(tmp_path):
    run = train(EncoderGAN, tmp_path / "run")
    assert [(x["round"], x["stage"]) for x in metrics(run.path)] == [
        (4, "gan"),
        (8, "encoder"),
        (12, "encoder"),
    ]
    assert set(metrics(run.path)[-1]) == {"round", "rounds", "stage", "images", "e", "e_grad"}


def test_an_interruption_carries_its_exit_code():
    assert Interrupted("stopped", 130).exit_code == 130
