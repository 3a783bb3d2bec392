"""Event files read back with TensorBoard's own reader: they say what the run folder says."""

import json
import subprocess
import sys
import tomllib

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from zoo_of_proofs import LazyADA

from ganzoo_core import resume, train
from ganzoo_core.errors import DivergedError

DATA = {"name": "shapes", "count": 16, "size": 16}
TRAIN = {
    "batch": 4,
    "steps": 8,
    "log_every": 2,
    "sample_every": 3,
    "checkpoint_every": 5,
    "device": "cpu",
    "precision": "fp32",
}


def trained(folder, **more):
    return train(
        LazyADA, options={"data": DATA, "train": {**TRAIN, **more}}, out=folder, quiet=True
    )


def board(folder):
    found = EventAccumulator(str(folder / "tensorboard"), {"images": 0, "scalars": 0})
    return found.Reload()


def lines(folder):
    return [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]


def check(folder):
    """The board has each line, each grid, and nothing twice."""
    found, records = board(folder), lines(folder)
    numbers = {name for r in records for name in r} - {"round", "rounds", "stage"}
    assert set(found.Tags()["scalars"]) == numbers and {"d", "g", "images"} <= numbers
    for name in numbers:
        shown = [(event.step, event.value) for event in found.Scalars(name)]
        wanted = [(r["round"], r[name]) for r in records if name in r]
        assert [step for step, _ in shown] == [round for round, _ in wanted]
        assert [value for _, value in shown] == pytest.approx([v for _, v in wanted], rel=1e-6)
    grids = {int(p.stem): p.read_bytes() for p in (folder / "samples").iterdir()}
    images = [(event.step, event.encoded_image_string) for event in found.Images("samples")]
    assert sorted(images) == images and len(images) == len(grids) and dict(images) == grids
    return found


def test_a_run_is_shown(tmp_path):
    run = trained(tmp_path / "run")
    found = check(run.path)
    assert [event.step for event in found.Images("samples")] == [3, 6, 8]
    (text,) = found.Tensors("config")
    shown = text.tensor_proto.string_val[0].decode()
    assert "    [train]\n" in shown and "batch = 4" in shown and "[made]" in shown
    assert all(not line or line.startswith("    ") for line in shown.splitlines())


def test_a_resumed_run_has_no_double_ends(tmp_path):
    run = trained(tmp_path / "run", steps=7)
    ends = [r["round"] for r in lines(run.path)]
    assert ends == [2, 4, 6, 7]
    resume(run.path, steps=14, model=LazyADA, quiet=True)
    assert len(list((run.path / "tensorboard").iterdir())) == 2
    check(run.path)
    before = {p: p.read_bytes() for p in (run.path / "tensorboard").iterdir()}
    resume(run.path, steps=16, model=LazyADA, quiet=True)
    assert all(p.read_bytes() == data for p, data in before.items())
    check(run.path)


def test_a_killed_run_shows_what_resume_draws_anew(tmp_path):
    """As after a kill in round 12: lines and grids after the checkpoint of round 10 are there."""
    path = trained(tmp_path / "run", steps=12).path
    for file in (path / "checkpoints").glob("*12*"):
        file.unlink()
    old = (path / "samples" / "00000012.png").read_bytes()
    (path / "samples" / "00000012.png").write_bytes(b"cut short")
    resume(path, steps=14, model=LazyADA, quiet=True)
    found = check(path)
    assert [event.step for event in found.Images("samples")] == [3, 6, 9, 12, 14]
    assert {e.step: e.encoded_image_string for e in found.Images("samples")}[12] == old


class Stumbles(LazyADA):
    """Diverges once, in round 7."""

    falls = 1

    def generator_loss(self, t):
        """Return nan where it stumbles."""
        loss = super().generator_loss(t)
        if self.falls and t.seen >= 6 * TRAIN["batch"]:
            Stumbles.falls = 0
            return loss * float("nan")
        return loss


def test_a_run_that_goes_back_is_shown_once(tmp_path):
    Stumbles.falls = 1
    options = {"data": DATA, "train": {**TRAIN, "log_every": 1, "checkpoint_every": 4, "steps": 9}}
    run = train(Stumbles, options=options, out=tmp_path / "run", quiet=True)
    assert not Stumbles.falls
    assert len(list((run.path / "tensorboard").iterdir())) == 2
    check(run.path)


def test_the_switch(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_TENSORBOARD", "0")
    run = trained(tmp_path / "run")
    assert not (run.path / "tensorboard").exists()


@pytest.mark.parametrize("when", ["at the start", "later"])
def test_a_writer_that_fails_costs_one_warning(tmp_path, monkeypatch, capsys, when):
    from ganzoo_tensorboard import events

    def full(*_):
        raise OSError(28, "No space left on device")

    method = "__init__" if when == "at the start" else "scalars"
    monkeypatch.setattr(events.EventFile, method, full)
    run = trained(tmp_path / "run")
    said = capsys.readouterr().err
    assert said.count("tensorboard") == 1 and "No space left on device" in said
    assert "switched off" in said and len(lines(run.path)) == 4
    assert tomllib.loads((run.path / "config.toml").read_text())["train"]["steps"] == 8


def test_a_run_that_fails_closes_its_board(tmp_path):
    from ganzoo_tensorboard import plugin

    class Falls(LazyADA):
        def generator_loss(self, t):
            """Return nan."""
            return super().generator_loss(t) * float("nan")

    with pytest.raises(DivergedError):
        train(Falls, options={"data": DATA, "train": TRAIN}, out=tmp_path / "run", quiet=True)
    assert not plugin.boards
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_the_plugin_is_cheap_to_import():
    code = (
        "import sys, ganzoo_tensorboard.plugin as p; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'tensorboard', 'PIL')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
