"""Metrics during training: their values, the best checkpoint by them, and training unchanged."""

import json

import pytest
import torch
from contract_models import LazyADA
from safetensors.torch import load_file

from ganzoo_core import resume, train
from ganzoo_core.engine.callback import EvalValue
from ganzoo_core.errors import UsageError
from ganzoo_core.training.periodic_evaluation import PeriodicEvaluation

DATA = {"name": "shapes", "count": 600, "image_size": 16}
TRAIN = {
    "batch_size": 4,
    "steps": 8,
    "log_every": 3,
    "sample_every": 100,
    "checkpoint_every": 4,
    "device": "cpu",
    "precision": "fp32",
}
METRICS = {"metrics": "kid", "num_eval_samples": 100}


def train_run(folder, **train_options):
    options = {"data": DATA, "train": {**TRAIN, **train_options}}
    return train(LazyADA, options=options, out=folder, quiet=True).path


def read_values(run, name="eval/kid"):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line[name] for line in lines if name in line}


def weights(run):
    return {p.name: p.read_bytes() for p in sorted((run / "weights").glob("*.safetensors"))}


def test_training_is_equal_to_the_bit(tmp_path):
    plain = train_run(tmp_path / "plain")
    evaluated = train_run(tmp_path / "evaluated", **METRICS, evaluate_every=2)
    assert weights(plain) == weights(evaluated) and weights(plain)
    first, second = (
        load_file(run / "checkpoints" / "00000008.safetensors") for run in (plain, evaluated)
    )
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    values = read_values(evaluated)
    assert list(values) == [3, 6, 8] and all(value > 0 for value in values.values())
    assert not read_values(plain)


def test_resumed_run_has_equal_values(tmp_path):
    whole = train_run(tmp_path / "whole", **METRICS)
    part = train_run(tmp_path / "part", **METRICS, steps=4)
    resume(part, steps=8, model=LazyADA, quiet=True)
    assert weights(whole) == weights(part)
    assert read_values(part) == read_values(whole) and len(read_values(whole)) == 2


@pytest.mark.parametrize(("higher_is_better", "best"), [(False, 4), (True, 8)])
def test_best_checkpoint_by_metric(tmp_path, monkeypatch, higher_is_better, best):
    made_up = {4: 1.0, 8: 2.0, 12: 1.5, 16: 1.7}
    monkeypatch.setattr(
        PeriodicEvaluation,
        "__call__",
        lambda self, model, step: {"eval/kid": EvalValue(made_up[step], higher_is_better)},
    )
    run = train_run(tmp_path / "run", **METRICS, steps=16, monitor="eval/kid", save_total_limit=1)
    names = sorted(path.stem for path in (run / "checkpoints").glob("*.safetensors"))
    assert names == [f"{best:08d}", "00000016"]
    assert (run / "checkpoints" / "best").read_text() == f"{best:08d}"


def test_metric_that_fails_is_left_out_in_one_line(tmp_path, capsys):
    run = train_run(tmp_path / "run", metrics="fid,kid", num_eval_samples=40, evaluate_every=2)
    warnings = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(warnings) == 2 and "fid needs" in warnings[0]  # 40 samples are too few for both
    assert (run / "weights").is_dir() and not read_values(run)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"metrics": "kidd"}, "kid"),
        ({"metrics": "aging"}, "ganzoo evaluate"),
        ({"monitor": "eval/kid"}, "train.metrics"),
        ({"monitor": "eval/kid", "metrics": "kid", "evaluate_every": 3}, "multiple"),
        ({"metrics": "likelihood"}, "likelihood"),
        ({"track": "wandbb"}, "wandb"),
    ],
)
def test_wrong_options_are_refused(tmp_path, options, named):
    with pytest.raises(UsageError, match=named):
        train_run(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
