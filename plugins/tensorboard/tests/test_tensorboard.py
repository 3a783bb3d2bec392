"""Event files, read with TensorBoard's own reader, have the values of the run folder."""

import json
import subprocess
import sys
import tomllib

import pytest
from contract_models import LazyADA
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganzoo_core import resume, train
from ganzoo_core.errors import DivergedError

DATA = {"name": "shapes", "count": 16, "image_size": 16}
TRAIN = {
    "batch_size": 4,
    "steps": 8,
    "log_every": 2,
    "sample_every": 3,
    "checkpoint_every": 5,
    "device": "cpu",
    "precision": "fp32",
}


def train_run(folder, model=LazyADA, **train_options):
    options = {"data": DATA, "train": {**TRAIN, **train_options}}
    return train(model, options=options, out=folder, quiet=True)


def read_metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def check_events_match_run(folder):
    """Check that each value and grid of the run is there once; return the events."""
    events = EventAccumulator(str(folder / "tensorboard"), {"images": 0, "scalars": 0}).Reload()
    records = read_metrics(folder)
    names = {name for r in records for name in r} - {"step", "total_steps", "stage"}
    assert set(events.Tags()["scalars"]) == names and {"loss/d", "loss/g", "images_seen"} <= names
    for name in names:
        written = [(event.step, event.value) for event in events.Scalars(name)]
        expected = [(r["step"], r[name]) for r in records if name in r]
        assert [step for step, _ in written] == [step for step, _ in expected]
        values = [value for _, value in expected]
        assert [value for _, value in written] == pytest.approx(values, rel=1e-6)
    grids = {int(p.stem): p.read_bytes() for p in (folder / "samples").iterdir()}
    images = [(event.step, event.encoded_image_string) for event in events.Images("samples")]
    assert sorted(images) == images and len(images) == len(grids) and dict(images) == grids
    return events


def test_run_is_written(tmp_path):
    run = train_run(tmp_path / "run")
    events = check_events_match_run(run.path)
    assert [event.step for event in events.Images("samples")] == [3, 6, 8]
    (text,) = events.Tensors("config")
    config_text = text.tensor_proto.string_val[0].decode()
    assert "    [train]\n" in config_text and "batch_size = 4" in config_text
    assert "[provenance]" in config_text
    assert all(not line or line.startswith("    ") for line in config_text.splitlines())


def test_resumed_run_has_each_step_once(tmp_path):
    run = train_run(tmp_path / "run", steps=7)
    assert [r["step"] for r in read_metrics(run.path)] == [2, 4, 6, 7]
    resume(run.path, steps=14, model=LazyADA, quiet=True)
    assert len(list((run.path / "tensorboard").iterdir())) == 2
    check_events_match_run(run.path)
    before = {p: p.read_bytes() for p in (run.path / "tensorboard").iterdir()}
    resume(run.path, steps=16, model=LazyADA, quiet=True)
    assert all(p.read_bytes() == data for p, data in before.items())
    check_events_match_run(run.path)


def test_resume_after_kill_writes_new_grids(tmp_path):
    """As after a kill at step 12: metrics and grids after the checkpoint of step 10 exist."""
    path = train_run(tmp_path / "run", steps=12).path
    for file in (path / "checkpoints").glob("*12*"):
        file.unlink()
    grid = path / "samples" / "00000012.png"
    complete_grid = grid.read_bytes()
    grid.write_bytes(b"truncated")
    resume(path, steps=14, model=LazyADA, quiet=True)
    events = check_events_match_run(path)
    images = {event.step: event.encoded_image_string for event in events.Images("samples")}
    assert list(images) == [3, 6, 9, 12, 14] and images[12] == complete_grid


class DivergesOnce(LazyADA):
    """Diverges once, at step 7."""

    failures_left = 1

    def generator_loss(self, ctx):
        loss = super().generator_loss(ctx)
        if self.failures_left and ctx.images_seen >= 6 * TRAIN["batch_size"]:
            DivergesOnce.failures_left = 0
            return loss * float("nan")
        return loss


def test_run_that_went_back_has_each_step_once(tmp_path):
    DivergesOnce.failures_left = 1
    run = train_run(tmp_path / "run", DivergesOnce, log_every=1, checkpoint_every=4, steps=9)
    assert not DivergesOnce.failures_left
    assert len(list((run.path / "tensorboard").iterdir())) == 2
    check_events_match_run(run.path)


def test_disabled_by_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_TENSORBOARD", "0")
    run = train_run(tmp_path / "run")
    assert not (run.path / "tensorboard").exists()


@pytest.mark.parametrize("method", ["__init__", "write_scalars"])
def test_failing_writer_gives_one_warning(tmp_path, monkeypatch, capsys, method):
    from ganzoo_tensorboard import events

    def raise_disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(events.EventFileWriter, method, raise_disk_full)
    run = train_run(tmp_path / "run")
    stderr = capsys.readouterr().err
    assert stderr.count("tensorboard") == 1 and "No space left on device" in stderr
    assert len(read_metrics(run.path)) == 4
    assert tomllib.loads((run.path / "config.toml").read_text())["train"]["steps"] == 8


def test_diverged_run_closes_its_writer(tmp_path):
    from ganzoo_tensorboard import plugin

    class AlwaysDiverges(LazyADA):
        def generator_loss(self, ctx):
            return super().generator_loss(ctx) * float("nan")

    with pytest.raises(DivergedError):
        train_run(tmp_path / "run", AlwaysDiverges)
    assert not plugin.run_writers
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_plugin_is_cheap_to_import():
    code = (
        "import sys, ganzoo_tensorboard.plugin as p; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'tensorboard', 'PIL')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
