"""The engine's parts: averages, plans, precision, divergence, loss scaling."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from workbench import differences, drawn, make, trainer
from zoo_of_proofs import VAE, EncoderGAN, LazyADA

from ganzoo_core import Draw, GanzooError, Model, Player, Stage, Step
from ganzoo_core.config import Adam, TrainConfig
from ganzoo_core.engine.average import Average
from ganzoo_core.engine.plan import make_plan
from ganzoo_core.engine.players import ActivePlayer
from ganzoo_core.engine.setup import resolve_device, resolve_precision, resolve_setup
from ganzoo_core.engine.turn import Log
from ganzoo_core.engine.world import World
from ganzoo_core.errors import DivergedError, UsageError

CPU = torch.device("cpu")


class One(Model):
    """One network with every kind of value."""

    serves = ("net",)

    def __init__(self, config=None, info=None):
        super().__init__(config, info)
        self.net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

    def players(self):
        return {"net": Player(("net",), Adam(lr=1e-2))}

    def stages(self):
        return ()


def test_the_average_moves_half_way_in_its_half_life():
    model = One()
    with torch.no_grad():
        model.net[0].weight.fill_(0.0)
        average = Average(model, ("net",), half_life=1000.0)
        model.net[0].weight.fill_(1.0)
    for _ in range(25):
        average.update(10**9, 40)
    shadow = average.nets["net"][0].weight
    assert torch.allclose(shadow, torch.full_like(shadow, 0.5), atol=1e-4)
    assert not shadow.requires_grad


def test_the_average_forgets_faster_while_young():
    model = One()
    average = Average(model, ("net",), half_life=1e6)
    with torch.no_grad():
        model.net[0].weight.fill_(3.0)
    average.update(100, 100)  # half-life is 5 % of what was seen
    shadow = average.nets["net"][0].weight
    assert torch.allclose(shadow, torch.full_like(shadow, 3.0), atol=1e-4)


def test_running_statistics_are_averaged_and_integers_copied():
    model = One()
    average = Average(model, ("net",), half_life=100.0)
    norm, shadow = model.net[1], average.nets["net"][1]
    norm.running_mean.fill_(8.0)
    norm.num_batches_tracked.fill_(7)
    average.update(10**6, 100)
    assert torch.allclose(shadow.running_mean, torch.full((4,), 4.0))
    assert shadow.num_batches_tracked == 7
    average.settle()
    assert torch.allclose(norm.running_mean, torch.full((4,), 4.0))


def test_the_average_moves_in_rounds_that_skip_its_player(tmp_path):
    class Once(LazyADA):
        """G steps in the first round, then waits."""

        def stages(self):
            (stage,) = super().stages()
            d, _, g = stage.steps
            return (replace(stage, steps=(d, replace(g, when=lambda t: t.round == 0)), rounds=40),)

    run = trainer(Once)
    run.run(tmp_path)
    weights = dict(run.model.generator.named_parameters())
    for name, shadow in run.averaged().generator.named_parameters():
        assert torch.allclose(shadow, weights[name], atol=1e-3)


# --- the plan -----------------------------------------------------------------------------------


def stages(**lengths):
    return tuple(
        Stage(name, (Step("s", "p", abs, repeat=2 if name == "two" else 1),), **length)
        for name, length in lengths.items()
    )


def plan(stages, images=100, **train):
    legs = make_plan(stages, TrainConfig(batch=10, **train), images).legs
    return [(leg.stage.name, leg.start, leg.end) for leg in legs]


AB = {"a": {"epochs": 2}, "b": {"rounds": 5}}


def test_epochs_become_rounds():
    assert plan(stages(**AB)) == [("a", 0, 20), ("b", 20, 25)]
    assert plan(stages(**AB), images=101)[0] == ("a", 0, 21)
    assert plan(stages(a={"epochs": 0.01})) == [("a", 0, 1)]


def test_each_extra_draw_counts_as_images_of_an_epoch():
    assert plan(stages(two={"epochs": 2})) == [("two", 0, 10)]


@pytest.mark.parametrize(
    ("steps", "legs"),
    [
        (40, [("a", 0, 20), ("b", 20, 40)]),
        (22, [("a", 0, 20), ("b", 20, 22)]),
        (20, [("a", 0, 20), ("b", 20, 20)]),
        (7, [("a", 0, 7)]),
        (0, [("a", 0, 0)]),
    ],
)
def test_steps_stretch_or_cut_the_run(steps, legs):
    assert plan(stages(**AB), steps=steps) == legs


def test_a_stages_length_can_be_set():
    assert plan(stages(**AB), a={"rounds": 3}) == [("a", 0, 3), ("b", 3, 8)]
    assert plan(stages(**AB), b={"epochs": 1}) == [("a", 0, 20), ("b", 20, 30)]
    assert plan(stages(**AB), a={"rounds": 0}) == [("a", 0, 0), ("b", 0, 5)]


def test_a_stage_of_no_length_is_skipped_and_never_stretched():
    assert plan(stages(**AB), a={"epochs": 0}) == [("a", 0, 0), ("b", 0, 5)]
    free = make_plan((Stage("a", (), Draw(how="none"), rounds=3),), TrainConfig(a={"epochs": 0}), 0)
    assert free.total == 0
    assert plan(stages(**AB), b={"rounds": 0}, steps=30) == [("a", 0, 30), ("b", 30, 30)]
    assert plan(stages(**AB), b={"rounds": 0}, steps=7) == [("a", 0, 7), ("b", 7, 7)]
    assert plan(stages(**AB), a={"rounds": 0}, steps=7) == [("a", 0, 0), ("b", 0, 7)]
    none = {"a": {"rounds": 0}, "b": {"rounds": 0}}
    assert plan(stages(**AB), **none) == [("a", 0, 0), ("b", 0, 0)]


def test_the_last_stage_may_be_as_long_as_steps_say():
    assert plan(stages(a={"rounds": 3}, b={}), steps=9) == [("a", 0, 3), ("b", 3, 9)]


@pytest.mark.parametrize(
    ("lengths", "train", "words"),
    [
        ({"gan": {"rounds": 3}}, {"gam": {"rounds": 2}}, 'train.gam.*Did you mean "gan"'),
        ({"gan": {}}, {}, r"--set train\.gan\.rounds=N"),
        ({"a": {}, "b": {"rounds": 3}}, {"steps": 9}, r"--set train\.a\.rounds=N"),
        ({}, {}, "no stages"),
    ],
)
def test_a_plan_that_cannot_be_made_says_why_in_one_line(lengths, train, words):
    with pytest.raises(UsageError, match=words) as error:
        plan(stages(**lengths), **train)
    assert "\n" not in str(error.value)


def test_rounds_of_a_stage_count_from_its_start(tmp_path):
    seen = []

    class Counts(EncoderGAN):
        """Writes down the rounds that `when` hears."""

        def stages(self):
            gan, encoder = super().stages()
            (step,) = encoder.steps
            step = replace(step, when=lambda t: seen.append(t.round) or True)
            return (gan, replace(encoder, steps=(step,)))

    trainer(Counts).run(tmp_path)
    assert seen == list(range(6))


# --- precision and device -----------------------------------------------------------------------


def test_a_device_that_is_not_there_is_refused_in_one_line():
    for device in ("cuda:99", "mps" if not torch.backends.mps.is_available() else "cuda:98"):
        with pytest.raises(UsageError, match="--device cpu"):
            resolve_device(device)
    with pytest.raises(UsageError, match="no device 'toaster'"):
        resolve_device("toaster")
    assert resolve_device("cpu") == CPU


def test_precision_is_resolved_once():
    with pytest.raises(UsageError, match="fp16"):
        resolve_precision("fp16", CPU)
    assert resolve_precision("auto", CPU) in {"fp32", "bf16"}
    assert resolve_precision("bf16", CPU) == "bf16"
    setup = resolve_setup("cpu", "bf16")
    assert setup.dtype == torch.bfloat16 and setup.to_json()["device"] == "cpu"


def test_a_setup_says_what_differs_from_another():
    setup = resolve_setup("cpu", "fp32")
    assert setup.differences(setup.to_json()) == []
    (phrase,) = setup.differences(setup.to_json() | {"threads": 99})
    assert phrase == f"threads: 99 then, {setup.threads} now"


def test_weights_and_optimiser_stay_fp32_under_bf16(tmp_path):
    run = trainer(LazyADA, precision="bf16", steps=2)
    heard = []
    run.model.discriminator.register_forward_hook(lambda m, i, out: heard.append(out.dtype))
    run.run(tmp_path)
    assert torch.bfloat16 in heard and torch.float32 in heard  # R1 asks in full precision
    floats = {t.dtype for n, t in run.state().items() if t.is_floating_point()}
    assert floats == {torch.float32}


def test_loss_scaling_is_part_of_the_state():
    def player():
        torch.manual_seed(0)
        model = One()
        return model, ActivePlayer(model, "net", model.players()["net"], CPU, scaler=True)

    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    model, worker = player()
    before = model.net[0].weight.clone()
    worker.begin()
    worker.backward(model.net(x).square().mean())
    worker.step(World(), None)
    assert not torch.equal(before, model.net[0].weight)
    after = model.net[0].weight.clone()
    worker.begin()
    worker.backward(model.net(x).mean() * torch.inf)  # an overflow: no step, a smaller scale
    worker.step(World(), None)
    assert torch.equal(after, model.net[0].weight)
    assert worker.scaler.get_scale() == 2.0**15

    other, fresh = player()
    other.load_state_dict(model.state_dict())
    fresh.restore(worker.state())
    assert fresh.scaler.state_dict() == worker.scaler.state_dict()
    assert differences(worker.state(), fresh.state()) == []
    for net, one in ((model, worker), (other, fresh)):
        one.begin()
        one.backward(net.net(x).square().mean())
        one.step(World(), None)
    assert differences(model.state_dict(), other.state_dict()) == []


# --- divergence ---------------------------------------------------------------------------------


class Diverges(VAE):
    """Its loss is NaN from round 5 on."""

    def elbo(self, t):
        return super().elbo(t) * torch.where(t.seen >= 40, torch.nan, 1.0)


@pytest.mark.parametrize(("log_every", "checkpoint_every"), [(1, 2), (50, 2), (4, 3)])
def test_a_loss_that_is_not_finite_ends_the_run_with_a_sound_checkpoint(
    log_every, checkpoint_every, tmp_path
):
    run = trainer(
        Diverges, steps=60, log_every=log_every, checkpoint_every=checkpoint_every, keep=1
    )
    with pytest.raises(DivergedError, match="not finite at round") as error:
        run.run(tmp_path)
    assert error.value.exit_code == 7 and "\n" not in str(error.value)
    sound = trainer(VAE)
    assert sound.restore(tmp_path) == []
    assert sound.round in {3, 4}
    assert all(t.isfinite().all() for t in sound.state().values())
    assert all(torch.tensor(list(r.values())[3:]).isfinite().all() for r in run.watcher.records)


class Explodes(VAE):
    """Its last loss is finite, its last gradient is not: the weights are lost in silence."""

    def elbo(self, t):
        cold = torch.where(t.seen >= 40, 0.0, 1.0)
        weight = self.decoder[0].weight
        nothing = (weight - weight.detach()).sum().abs()
        return super().elbo(t) + (nothing + cold).sqrt()


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    run = trainer(Explodes, steps=6, log_every=100, checkpoint_every=2)
    with pytest.raises(DivergedError):
        run.run(tmp_path)
    sound = trainer(VAE)
    sound.restore(tmp_path)
    assert sound.round == 4
    assert all(t.isfinite().all() for t in sound.state().values())


# --- small parts --------------------------------------------------------------------------------


def test_the_log_takes_copies_and_means():
    log, value = Log(), torch.tensor(1.0)
    log.add(p=value)
    value.fill_(9.0)
    log.add(p=torch.tensor(2.0, dtype=torch.bfloat16), q=torch.tensor(4.0, requires_grad=True))
    assert log.means() == {"p": 1.5, "q": 4.0}
    other = Log()
    other.restore({n.removeprefix("log."): t for n, t in log.state().items()}, CPU)
    assert other.means() == log.means()
    log.clear()
    assert log.means() == {} == log.state()


def test_seen_counts_images_in_float64(tmp_path):
    run = trainer(VAE, steps=3)
    run.run(tmp_path)
    assert run.seen.dtype == torch.float64 and run.seen == 24 and run.seen.ndim == 0


def test_a_player_of_a_network_that_is_not_there_is_named():
    class Lost(VAE):
        """A slip of the pen."""

        def players(self):
            return {"vae": Player(("encodr",), Adam())}

    with pytest.raises(GanzooError, match='"encoder"'):
        trainer(Lost)


def test_a_model_is_built_the_same_from_the_same_seed():
    info = drawn().info
    assert differences(make(VAE, info, 3).state_dict(), make(VAE, info, 3).state_dict()) == []
    assert differences(make(VAE, info, 3).state_dict(), make(VAE, info, 4).state_dict())
