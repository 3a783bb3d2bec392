"""Parts of the engine: EMA, plan, precision, divergence, loss scaling."""

from dataclasses import replace

import pytest
import torch
from contract_models import VAE, EncoderGAN, LazyADA
from torch import nn
from training_helpers import build_model, differing_keys, make_images, make_trainer

from ganzoo_core import BatchSpec, GanzooError, Model, OptimizerSpec, Phase, Stage
from ganzoo_core.config import Adam, TrainConfig
from ganzoo_core.engine.context import MetricLog
from ganzoo_core.engine.ema import EMA
from ganzoo_core.engine.optimizers import OptimizerState
from ganzoo_core.engine.plan import make_plan
from ganzoo_core.engine.setup import resolve_device, resolve_precision, resolve_setup
from ganzoo_core.engine.world import World
from ganzoo_core.errors import DivergedError, UsageError

CPU = torch.device("cpu")


class LinearBatchNormModel(Model):
    """One network with parameters, float buffers and an integer buffer."""

    inference_modules = ("net",)

    def __init__(self, config=None, info=None):
        super().__init__(config, info)
        self.net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

    def configure_optimizers(self):
        return {"net": OptimizerSpec(("net",), Adam(lr=1e-2))}

    def stages(self):
        return ()


def test_ema_halflife():
    model = LinearBatchNormModel()
    with torch.no_grad():
        model.net[0].weight.fill_(0.0)
        ema = EMA(model, ("net",), halflife=1000.0)
        model.net[0].weight.fill_(1.0)
    for _ in range(25):
        ema.update(10**9, 40)
    shadow = ema.modules["net"][0].weight
    assert torch.allclose(shadow, torch.full_like(shadow, 0.5), atol=1e-4)
    assert not shadow.requires_grad


def test_ema_rampup():
    model = LinearBatchNormModel()
    ema = EMA(model, ("net",), halflife=1e6)
    with torch.no_grad():
        model.net[0].weight.fill_(3.0)
    shadow = ema.modules["net"][0].weight
    ema.update(100, 100)  # no images before the first update: it copies the weights
    assert torch.equal(shadow, torch.full_like(shadow, 3.0))
    with torch.no_grad():
        model.net[0].weight.fill_(4.0)
    ema.update(2100, 100)  # the half-life is 5 % of the 2,000 images before
    assert torch.allclose(shadow, torch.full_like(shadow, 3.5))


def test_ema_halflife_schedule():
    model = LinearBatchNormModel()
    ema = EMA(model, ("net",), halflife=lambda images: images / 4)
    shadow = ema.modules["net"][0].weight
    with torch.no_grad():
        model.net[0].weight.fill_(2.0)
        shadow.zero_()
    ema.update(500, 100)  # the half-life is 400 / 4 images
    assert torch.allclose(shadow, torch.ones_like(shadow))


def test_ema_of_buffers():
    model = LinearBatchNormModel()
    ema = EMA(model, ("net",), halflife=100.0)
    norm, shadow = model.net[1], ema.modules["net"][1]
    norm.running_mean.fill_(8.0)
    norm.num_batches_tracked.fill_(7)
    ema.update(10**6, 100)
    assert torch.allclose(shadow.running_mean, torch.full((4,), 4.0))
    assert shadow.num_batches_tracked == 7
    ema.copy_to_model()
    assert torch.allclose(norm.running_mean, torch.full((4,), 4.0))


def test_ema_updates_on_skipped_phases(tmp_path):
    class OneGStepGAN(LazyADA):
        """G is updated in the first step only."""

        def stages(self):
            (stage,) = super().stages()
            d, _, g = stage.phases
            g = replace(g, condition=lambda ctx: ctx.step == 0)
            return (replace(stage, phases=(d, g), steps=40),)

    trainer = make_trainer(OneGStepGAN)
    trainer.run(tmp_path)
    weights = dict(trainer.model.generator.named_parameters())
    for name, shadow in trainer.ema_model().generator.named_parameters():
        assert torch.allclose(shadow, weights[name], atol=1e-3)


# --- the plan -----------------------------------------------------------------------------------


def make_stages(**lengths):
    return tuple(
        Stage(name, (Phase("s", "p", abs, repeats=2 if name == "two" else 1),), **length)
        for name, length in lengths.items()
    )


def schedule(stages, num_images=100, **train_options):
    plan = make_plan(stages, TrainConfig(batch_size=10, **train_options), num_images)
    return [(x.stage.name, x.start, x.end) for x in plan.stages]


TWO_STAGES = {"a": {"epochs": 2}, "b": {"steps": 5}}


def test_epochs_to_steps():
    assert schedule(make_stages(**TWO_STAGES)) == [("a", 0, 20), ("b", 20, 25)]
    assert schedule(make_stages(**TWO_STAGES), num_images=101)[0] == ("a", 0, 21)
    assert schedule(make_stages(a={"epochs": 0.01})) == [("a", 0, 1)]


def test_repeats_count_toward_epoch():
    assert schedule(make_stages(two={"epochs": 2})) == [("two", 0, 10)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (40, [("a", 0, 20), ("b", 20, 40)]),
        (22, [("a", 0, 20), ("b", 20, 22)]),
        (20, [("a", 0, 20), ("b", 20, 20)]),
        (7, [("a", 0, 7)]),
        (0, [("a", 0, 0)]),
    ],
)
def test_steps_option_changes_last_stage(steps, expected):
    assert schedule(make_stages(**TWO_STAGES), steps=steps) == expected


def test_stage_length_option():
    assert schedule(make_stages(**TWO_STAGES), a={"steps": 3}) == [("a", 0, 3), ("b", 3, 8)]
    assert schedule(make_stages(**TWO_STAGES), b={"epochs": 1}) == [
        ("a", 0, 20),
        ("b", 20, 30),
    ]
    assert schedule(make_stages(**TWO_STAGES), a={"steps": 0}) == [("a", 0, 0), ("b", 0, 5)]


def test_zero_length_stage_is_skipped():
    assert schedule(make_stages(**TWO_STAGES), a={"epochs": 0}) == [
        ("a", 0, 0),
        ("b", 0, 5),
    ]
    no_data = (Stage("a", (), BatchSpec(sampler="none"), steps=3),)
    assert make_plan(no_data, TrainConfig(a={"epochs": 0}), 0).total_steps == 0
    assert schedule(make_stages(**TWO_STAGES), b={"steps": 0}, steps=30) == [
        ("a", 0, 30),
        ("b", 30, 30),
    ]
    assert schedule(make_stages(**TWO_STAGES), b={"steps": 0}, steps=7) == [
        ("a", 0, 7),
        ("b", 7, 7),
    ]
    assert schedule(make_stages(**TWO_STAGES), a={"steps": 0}, steps=7) == [
        ("a", 0, 0),
        ("b", 0, 7),
    ]
    none = {"a": {"steps": 0}, "b": {"steps": 0}}
    assert schedule(make_stages(**TWO_STAGES), **none) == [("a", 0, 0), ("b", 0, 0)]


def test_open_ended_last_stage():
    assert schedule(make_stages(a={"steps": 3}, b={}), steps=9) == [
        ("a", 0, 3),
        ("b", 3, 9),
    ]


@pytest.mark.parametrize(
    ("lengths", "train", "key"),
    [
        ({"gan": {"steps": 3}}, {"gam": {"steps": 2}}, "train.gam"),
        ({"gan": {}}, {}, r"--set train\.gan\.steps"),
        ({"a": {}, "b": {"steps": 3}}, {"steps": 9}, r"--set train\.a\.steps"),
        ({}, {}, "stages"),
    ],
)
def test_invalid_plan_refused(lengths, train, key):
    with pytest.raises(UsageError, match=key) as error:
        schedule(make_stages(**lengths), **train)
    assert "\n" not in str(error.value)


def test_step_counts_from_stage_start(tmp_path):
    steps = []

    class StepRecordingGAN(EncoderGAN):
        """Records the steps that `condition` receives."""

        def stages(self):
            gan, encoder = super().stages()
            (phase,) = encoder.phases
            phase = replace(phase, condition=lambda ctx: steps.append(ctx.step) or True)
            return (gan, replace(encoder, phases=(phase,)))

    make_trainer(StepRecordingGAN).run(tmp_path)
    assert steps == list(range(6))


# --- precision and device -----------------------------------------------------------------------


def test_missing_device_refused():
    for device in ("cuda:99", "mps" if not torch.backends.mps.is_available() else "cuda:98"):
        with pytest.raises(UsageError, match="--device cpu"):
            resolve_device(device)
    with pytest.raises(UsageError, match="toaster"):
        resolve_device("toaster")
    assert resolve_device("cpu") == CPU


def test_resolve_precision():
    with pytest.raises(UsageError, match="fp16"):
        resolve_precision("fp16", CPU)
    assert resolve_precision("auto", CPU) in {"fp32", "bf16"}
    assert resolve_precision("bf16", CPU) == "bf16"
    setup = resolve_setup("cpu", "bf16")
    assert setup.dtype == torch.bfloat16 and setup.to_json()["device"] == "cpu"


def test_setup_differences():
    setup = resolve_setup("cpu", "fp32")
    assert setup.differences(setup.to_json()) == []
    (difference,) = setup.differences(setup.to_json() | {"threads": 99})
    assert "threads" in difference and "99" in difference


def test_state_is_fp32_under_bf16(tmp_path):
    trainer = make_trainer(LazyADA, precision="bf16", steps=2)
    output_dtypes = set()
    trainer.model.discriminator.register_forward_hook(
        lambda m, i, out: output_dtypes.add(out.dtype)
    )
    trainer.run(tmp_path)
    assert output_dtypes == {torch.bfloat16, torch.float32}  # R1 runs in fp32
    floats = {t.dtype for n, t in trainer.state_dict().items() if t.is_floating_point()}
    assert floats == {torch.float32}


def test_grad_scaler_in_state():
    def make_optimizer_state():
        torch.manual_seed(0)
        model = LinearBatchNormModel()
        return model, OptimizerState(
            model, "net", model.configure_optimizers()["net"], CPU, use_scaler=True
        )

    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    model, optimizer_state = make_optimizer_state()
    before = model.net[0].weight.clone()
    optimizer_state.zero_grad()
    optimizer_state.backward(model.net(x).square().mean())
    optimizer_state.step(World(), None)
    assert not torch.equal(before, model.net[0].weight)
    after = model.net[0].weight.clone()
    optimizer_state.zero_grad()
    optimizer_state.backward(model.net(x).mean() * torch.inf)  # overflow: no update, smaller scale
    optimizer_state.step(World(), None)
    assert torch.equal(after, model.net[0].weight)
    assert optimizer_state.scaler.get_scale() == 2.0**15

    other, fresh = make_optimizer_state()
    other.load_state_dict(model.state_dict())
    fresh.load_state_dict(optimizer_state.state_dict())
    assert fresh.scaler.state_dict() == optimizer_state.scaler.state_dict()
    assert differing_keys(optimizer_state.state_dict(), fresh.state_dict()) == []
    for net, one in ((model, optimizer_state), (other, fresh)):
        one.zero_grad()
        one.backward(net.net(x).square().mean())
        one.step(World(), None)
    assert differing_keys(model.state_dict(), other.state_dict()) == []


# --- divergence ---------------------------------------------------------------------------------


class NaNLossVAE(VAE):
    """The loss is NaN from step 5 on."""

    def elbo(self, ctx):
        return super().elbo(ctx) * torch.where(ctx.images_seen >= 40, torch.nan, 1.0)


@pytest.mark.parametrize(("log_every", "checkpoint_every"), [(1, 2), (50, 2), (4, 3)])
def test_nonfinite_loss_leaves_sound_checkpoint(log_every, checkpoint_every, tmp_path):
    options = {"log_every": log_every, "checkpoint_every": checkpoint_every}
    trainer = make_trainer(NaNLossVAE, steps=60, save_total_limit=1, **options)
    with pytest.raises(DivergedError) as error:
        trainer.run(tmp_path)
    assert error.value.exit_code == 7 and "\n" not in str(error.value)
    sound = make_trainer(VAE)
    assert sound.restore(tmp_path) == []
    assert sound.step in {3, 4}
    assert all(t.isfinite().all() for t in sound.state_dict().values())
    assert all(
        torch.tensor(list(r.values())[3:]).isfinite().all() for r in trainer.callback.records
    )


class NaNGradientVAE(VAE):
    """The last loss is finite but its gradient is not, so only the weights become NaN."""

    def elbo(self, ctx):
        offset = torch.where(ctx.images_seen >= 40, 0.0, 1.0)
        weight = self.decoder[0].weight
        zero = (weight - weight.detach()).sum().abs()
        return super().elbo(ctx) + (zero + offset).sqrt()  # d sqrt(x) is infinite at 0


def test_nonfinite_weights_never_saved(tmp_path):
    trainer = make_trainer(NaNGradientVAE, steps=6, log_every=100, checkpoint_every=2)
    with pytest.raises(DivergedError):
        trainer.run(tmp_path)
    sound = make_trainer(VAE)
    sound.restore(tmp_path)
    assert sound.step == 4
    assert all(t.isfinite().all() for t in sound.state_dict().values())


# --- small parts --------------------------------------------------------------------------------


def test_log_copies_and_averages():
    log, value = MetricLog(), torch.tensor(1.0)
    log.add({"p": value})
    value.fill_(9.0)
    q = torch.tensor(4.0, requires_grad=True)
    log.add({"p": torch.tensor(2.0, dtype=torch.bfloat16), "q": q})
    assert log.means() == {"p": 1.5, "q": 4.0}
    other = MetricLog()
    other.load_state_dict({n.removeprefix("log."): t for n, t in log.state_dict().items()}, CPU)
    assert other.means() == log.means()
    log.clear()
    assert log.means() == {} == log.state_dict()


def test_images_seen_is_float64(tmp_path):
    trainer = make_trainer(VAE, steps=3)
    trainer.run(tmp_path)
    images_seen = trainer.images_seen
    assert images_seen.dtype == torch.float64 and images_seen.ndim == 0 and images_seen == 24


def test_unknown_module_in_optimizer_spec():
    class MisspelledModuleVAE(VAE):
        """Names a network that does not exist."""

        def configure_optimizers(self):
            return {"vae": OptimizerSpec(("encodr",), Adam())}

    with pytest.raises(GanzooError, match='"encoder"'):
        make_trainer(MisspelledModuleVAE)


def test_model_build_is_seeded():
    info = make_images().info
    one, same, other = (build_model(VAE, info, seed).state_dict() for seed in (3, 3, 4))
    assert differing_keys(one, same) == [] and differing_keys(one, other)
