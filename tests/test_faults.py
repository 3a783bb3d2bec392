"""Faults: killed at any moment, a NaN, a second Ctrl-C. What was saved goes on exactly."""

import random
import signal
from dataclasses import replace

import pytest
import torch
from workbench import Notebook, differences, stopped_and_resumed, trainer
from zoo_of_proofs import VAE, LazyADA
from zoo_of_proofs.everything import Everything
from zoo_of_proofs.plain import PlainGAN

from ganzoo_core.engine.guards import RETRIES
from ganzoo_core.engine.signals import Stop
from ganzoo_core.errors import DivergedError
from ganzoo_core.files import load_tensors

NEVER = -1
MOMENTS = 60
"""Of a run of LazyADA: before each step, and around all that a checkpoint does to the disk."""
OPTIONS = {"steps": 9, "checkpoint_every": 2, "keep": 2, "log_every": 3}


# --- kill -9 ------------------------------------------------------------------------------------


def last_state(folder):
    return load_tensors(max(folder.glob("*.safetensors")))[0]


@pytest.fixture(scope="module")
def straight(ganzoo, tmp_path_factory):
    """The state of a run that nobody killed."""
    home = tmp_path_factory.mktemp("straight")
    done = ganzoo("LazyADA", str(home / "run"), OPTIONS, NEVER, cwd=home, call="jobs:killed")
    assert done.code == 0, done.err
    return last_state(home / "run")


def kill_and_go_on(ganzoo, home, moments):
    """Kill a run at each of the moments in turn, then let it finish; return how often it died."""
    died = 0
    for moment in (*moments, NEVER):
        call = {"cwd": home, "call": "jobs:killed"}
        done = ganzoo("LazyADA", str(home / "run"), OPTIONS, moment, **call)
        assert done.code in {0, -signal.SIGKILL}, done.err
        died += done.code != 0
    return died


def test_a_run_killed_three_times_ends_in_the_bits_of_one_that_was_not(ganzoo, straight, tmp_path):
    moments = (29, 3, 12)  # in a step; while the first checkpoint after it is written; in a step
    assert kill_and_go_on(ganzoo, tmp_path, moments) == 3
    assert differences(last_state(tmp_path / "run"), straight) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_at_random_moments_does_so_too(seed, ganzoo, straight, tmp_path):
    chance = random.Random(seed)
    moments = [chance.randrange(MOMENTS // 4) for _ in range(20)]
    assert kill_and_go_on(ganzoo, tmp_path, moments) > 10
    assert differences(last_state(tmp_path / "run"), straight) == []


# --- divergence ---------------------------------------------------------------------------------


class Rewinds(Notebook):
    """Writes down what it is to take back, as the run folder does."""

    def __init__(self):
        super().__init__()
        self.whys = []

    def rewound(self, line, why):
        """Drop the lines after it."""
        self.records = [r for r in self.records if r["round"] <= line]
        self.whys.append(why)


class Stumbles(VAE):
    """NaN in round 7, so many times."""

    times = 0

    def elbo(self, t):
        bad = t.round == 7 and self.times > 0
        self.times -= bad
        return super().elbo(t) * (torch.nan if bad else 1.0)


def stumbling(times, **train):
    run = trainer(Stumbles, **{"steps": 14, "checkpoint_every": 5, "log_every": 4, **train})
    run.model.times, run.watcher = times, Rewinds()
    return run


def test_a_run_that_diverges_goes_back_and_on_another_way(tmp_path):
    run, plain = stumbling(1), stumbling(0)
    run.run(tmp_path / "run")
    plain.run(tmp_path / "plain")
    (why,) = run.watcher.whys
    assert "elbo is not finite at round 8: back to round 5" in why and "attempt 1 of 3" in why
    assert [r["round"] for r in run.watcher.records] == [4, 8, 12, 14]
    assert run.watcher.records[0] == plain.watcher.records[0]
    assert all(t.isfinite().all() for t in run.state().values())
    moved = differences(run.state(), plain.state())
    assert moved and run.seed != plain.seed == run.config.seed


@pytest.mark.parametrize("stop", [10, 12])
def test_a_run_that_went_another_way_resumes_on_it(stop, tmp_path):
    straight, first = stumbling(1), stumbling(1, steps=stop)
    straight.run(tmp_path / "straight")
    first.run(tmp_path / "parts")
    second = stumbling(0)
    second.restore(tmp_path / "parts")
    assert second.retries == 1
    second.run(tmp_path / "parts")
    assert differences(straight.state(), second.state()) == []


def test_it_goes_back_three_times_and_then_stops_with_sound_weights(tmp_path):
    run = stumbling(100)
    with pytest.raises(DivergedError, match="elbo is not finite at round 8"):
        run.run(tmp_path)
    assert len(run.watcher.whys) == RETRIES == 3
    sound = stumbling(0)
    assert sound.restore(tmp_path) == [] and sound.round == 5
    assert all(t.isfinite().all() for t in sound.state().values())


def test_a_nan_is_noticed_within_fifty_rounds_whatever_the_lines_and_checkpoints(tmp_path):
    run = stumbling(100, steps=70, checkpoint_every=1000, log_every=1000)
    with pytest.raises(DivergedError, match="round 50"):
        run.run(tmp_path)


# --- signals ------------------------------------------------------------------------------------


@pytest.fixture
def in_front():
    """Python's own answer to Ctrl-C: shells make processes in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_front")
def test_a_second_ctrl_c_leaves_at_once():
    with pytest.raises(KeyboardInterrupt), Stop() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_sigterm_after_ctrl_c_is_the_launchers_and_waits():
    with pytest.raises(KeyError), Stop() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == signal.SIGINT
        raise KeyError


# --- every option -------------------------------------------------------------------------------

ALL = {"accumulate": 2, "clip": 1.0, "schedule": "cosine", "warmup": 3}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stops", [(2, 3), (7,)])
def test_everything_at_once_resumes_bit_by_bit(precision, stops, tmp_path):
    straight = trainer(Everything, precision=precision, **ALL)
    straight.run(tmp_path / "straight")
    resumed = trainer(Everything, precision=precision, **ALL)
    for stop in stops:  # cut off, since a shorter plan would be another schedule
        part = trainer(Everything, precision=precision, **ALL)
        if (tmp_path / "parts").exists():
            part.restore(tmp_path / "parts")
        while part.round < stop:
            part.play(part.plan.at(part.round))
        part.save(tmp_path / "parts")
    resumed.restore(tmp_path / "parts")
    resumed.run(tmp_path / "parts")
    assert differences(straight.state(), resumed.state()) == []


@pytest.mark.parametrize("micros", [2, 4])
def test_micro_batches_add_up_to_the_batch(micros, tmp_path):
    whole, parts = (trainer(PlainGAN, steps=6, accumulate=n) for n in (1, micros))
    for run, name in ((whole, "whole"), (parts, "parts")):
        run.run(tmp_path / name)
    a, b = whole.state(), parts.state()
    weights = [n for n in a if n.startswith("model.")]
    assert max(float((a[n] - b[n]).abs().max()) for n in weights) < 1e-5
    again = stopped_and_resumed(PlainGAN, tmp_path / "again", (3,), steps=6, accumulate=micros)
    assert differences(b, again.state()) == []


class Valley(LazyADA):
    """Logs a value that is lowest in round 6."""

    def generator_loss(self, t):
        t.log(height=(t.seen / 8 - 5).abs())
        return super().generator_loss(t)

    def stages(self):
        (stage,) = super().stages()
        return (replace(stage, rounds=12),)


def test_the_best_checkpoint_is_kept_beside_the_newest(tmp_path):
    options = {"best": "height", "keep": 1, "checkpoint_every": 2, "log_every": 1}
    trainer(Valley, **options).run(tmp_path)
    kept = sorted(path.stem for path in tmp_path.glob("*.safetensors"))
    assert kept == ["00000006", "00000012"]
    assert (tmp_path / "best").read_text() == "00000006"
    again = trainer(Valley, **options, steps=14)
    again.restore(tmp_path)
    assert again.lowest == 0.0
    again.run(tmp_path)
    assert (tmp_path / "best").read_text() == "00000006"
