"""SIGKILL at any point, NaN, a second Ctrl-C: a run resumes bit-exactly from its checkpoint."""

import random
import signal
from dataclasses import replace

import pytest
import torch
from contract_models import VAE, LazyADA
from contract_models.all_options import AllOptionsGAN
from contract_models.plain_gan import PlainGAN
from training_helpers import (
    RecordingCallback,
    assert_resume_is_bit_exact,
    differing_keys,
    make_trainer,
    run_steps,
)

from ganzoo_core.engine.guards import MAX_RETRIES
from ganzoo_core.engine.signals import StopOnSignal
from ganzoo_core.errors import DivergedError
from ganzoo_core.files import load_tensors

NEVER_KILL = -1
NUM_KILL_POINTS = 60
"""Kill points of a run of LazyADA, see `train_until_killed`."""
TRAIN_OPTIONS = {"steps": 9, "checkpoint_every": 2, "save_total_limit": 2, "log_every": 3}


# --- SIGKILL ------------------------------------------------------------------------------------


def newest_state(folder):
    return load_tensors(max(folder.glob("*.safetensors")))[0]


@pytest.fixture(scope="module")
def uninterrupted_state(run_ganzoo, tmp_path_factory):
    """The state of a run that was not killed."""
    home = tmp_path_factory.mktemp("straight")
    assert train_with_kills(run_ganzoo, home, ()) == 0
    return newest_state(home / "run")


def train_with_kills(run_ganzoo, home, kill_points):
    """Kill a run at each of the points in turn, then let it finish; return the number of kills."""
    num_kills = 0
    for kill_at in (*kill_points, NEVER_KILL):
        call = {"cwd": home, "call": "subprocess_jobs:train_until_killed"}
        done = run_ganzoo("LazyADA", str(home / "run"), TRAIN_OPTIONS, kill_at, **call)
        assert done.code in {0, -signal.SIGKILL}, done.err
        num_kills += done.code != 0
    return num_kills


def test_resume_after_sigkill(run_ganzoo, uninterrupted_state, tmp_path):
    kill_points = (29, 3, 12)  # in a step; while a checkpoint is written; in a step
    assert train_with_kills(run_ganzoo, tmp_path, kill_points) == 3
    assert differing_keys(newest_state(tmp_path / "run"), uninterrupted_state) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_resume_after_random_sigkills(seed, run_ganzoo, uninterrupted_state, tmp_path):
    rng = random.Random(seed)
    kill_points = [rng.randrange(NUM_KILL_POINTS // 4) for _ in range(20)]
    assert train_with_kills(run_ganzoo, tmp_path, kill_points) > 10
    assert differing_keys(newest_state(tmp_path / "run"), uninterrupted_state) == []


# --- divergence ---------------------------------------------------------------------------------


class RollbackCallback(RecordingCallback):
    """Removes the lines after a rollback, as the run folder does."""

    def __init__(self):
        super().__init__()
        self.rollback_reasons = []

    def on_rollback(self, last_logged_step, reason):
        """Remove the lines after the step."""
        self.records = [r for r in self.records if r["step"] <= last_logged_step]
        self.rollback_reasons.append(reason)


class NaNAtStep7VAE(VAE):
    """The loss is NaN in step 7, `num_failures` times."""

    num_failures = 0

    def elbo(self, ctx):
        bad = ctx.step == 7 and self.num_failures > 0
        self.num_failures -= bad
        return super().elbo(ctx) * (torch.nan if bad else 1.0)


def trainer_with_nans(num_failures, **train):
    options = {"steps": 14, "checkpoint_every": 5, "log_every": 4, **train}
    trainer = make_trainer(NaNAtStep7VAE, **options)
    trainer.model.num_failures, trainer.callback = num_failures, RollbackCallback()
    return trainer


def test_divergence_rolls_back_and_reseeds(tmp_path):
    run, plain = trainer_with_nans(1), trainer_with_nans(0)
    run.run(tmp_path / "run")
    plain.run(tmp_path / "plain")
    (reason,) = run.callback.rollback_reasons
    assert "loss/elbo" in reason
    assert [r["step"] for r in run.callback.records] == [4, 8, 12, 14]
    assert run.callback.records[0] == plain.callback.records[0]
    assert all(t.isfinite().all() for t in run.state_dict().values())
    moved = differing_keys(run.state_dict(), plain.state_dict())
    assert moved and run.seed != plain.seed == run.config.seed


@pytest.mark.parametrize("stop", [10, 12])
def test_resume_after_rollback(stop, tmp_path):
    straight, first = trainer_with_nans(1), trainer_with_nans(1, steps=stop)
    straight.run(tmp_path / "straight")
    first.run(tmp_path / "parts")
    second = trainer_with_nans(0)
    second.restore(tmp_path / "parts")
    assert second.retries == 1
    second.run(tmp_path / "parts")
    assert differing_keys(straight.state_dict(), second.state_dict()) == []


def test_rollback_limit(tmp_path):
    run = trainer_with_nans(100)
    with pytest.raises(DivergedError, match="elbo"):
        run.run(tmp_path)
    assert len(run.callback.rollback_reasons) == MAX_RETRIES == 3
    sound = trainer_with_nans(0)
    assert sound.restore(tmp_path) == [] and sound.step == 5
    assert all(t.isfinite().all() for t in sound.state_dict().values())


def test_nan_is_detected_within_50_steps(tmp_path):
    run = trainer_with_nans(100, steps=70, checkpoint_every=1000, log_every=1000)
    with pytest.raises(DivergedError, match="step 50"):
        run.run(tmp_path)


# --- signals ------------------------------------------------------------------------------------


@pytest.fixture
def default_sigint_handler():
    """The handler of Python; shells make background processes ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("default_sigint_handler")
def test_second_sigint_exits_at_once():
    with pytest.raises(KeyboardInterrupt), StopOnSignal() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        signal.raise_signal(signal.SIGINT)
        pytest.fail("not interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_sigterm_after_sigint_waits():
    with pytest.raises(KeyError), StopOnSignal() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == signal.SIGINT
        raise KeyError


# --- every option -------------------------------------------------------------------------------

ALL_TRAIN_OPTIONS = {
    "grad_accum_steps": 2,
    "grad_clip_norm": 1.0,
    "lr_scheduler": "cosine",
    "warmup_steps": 3,
}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stops", [(2, 3), (7,)])
def test_resume_with_all_options(precision, stops, tmp_path):
    straight = make_trainer(AllOptionsGAN, precision=precision, **ALL_TRAIN_OPTIONS)
    straight.run(tmp_path / "straight")
    resumed = make_trainer(AllOptionsGAN, precision=precision, **ALL_TRAIN_OPTIONS)
    for stop in stops:  # not by train.steps, which would change the learning rate schedule
        part = make_trainer(AllOptionsGAN, precision=precision, **ALL_TRAIN_OPTIONS)
        if (tmp_path / "parts").exists():
            part.restore(tmp_path / "parts")
        run_steps(part, stop - part.step)
        part.save(tmp_path / "parts")
    resumed.restore(tmp_path / "parts")
    resumed.run(tmp_path / "parts")
    assert differing_keys(straight.state_dict(), resumed.state_dict()) == []


@pytest.mark.parametrize("micros", [2, 4])
def test_gradient_accumulation(micros, tmp_path):
    whole = make_trainer(PlainGAN, steps=6)
    whole.run(tmp_path / "whole")
    options = {"steps": 6, "grad_accum_steps": micros}
    parts, _ = assert_resume_is_bit_exact(PlainGAN, tmp_path, (3,), **options)
    a, b = whole.state_dict(), parts.state_dict()
    weights = [n for n in a if n.startswith("model.")]
    assert max(float((a[n] - b[n]).abs().max()) for n in weights) < 1e-5


class MonitoredGAN(LazyADA):
    """Logs a value that is lowest at step 6."""

    def generator_loss(self, ctx):
        ctx.log({"height": (ctx.images_seen / 8 - 5).abs()})
        return super().generator_loss(ctx)

    def stages(self):
        (stage,) = super().stages()
        return (replace(stage, steps=12),)


def test_best_checkpoint_is_kept(tmp_path):
    options = {"monitor": "height", "save_total_limit": 1, "checkpoint_every": 2, "log_every": 1}
    make_trainer(MonitoredGAN, **options).run(tmp_path)
    kept = sorted(path.stem for path in tmp_path.glob("*.safetensors"))
    assert kept == ["00000006", "00000012"]
    assert (tmp_path / "best").read_text() == "00000006"
    again = make_trainer(MonitoredGAN, **options, steps=14)
    again.restore(tmp_path)
    assert again.best_value == 0.0
    again.run(tmp_path)
    assert (tmp_path / "best").read_text() == "00000006"
