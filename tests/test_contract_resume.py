"""Every contract model resumes bit-exactly."""

import copy
from dataclasses import replace
from pathlib import Path

import contract_models
import pytest
import torch
from contract_models import CONTRACT_MODELS, VAE, EncoderGAN, LazyADA, TripletEmbedder
from contract_models.networks import SmallDiscriminator, SmallGenerator
from training_helpers import (
    assert_resume_is_bit_exact,
    build_model,
    differing_keys,
    make_images,
    make_trainer,
)

from ganzoo_core import SGD, Adam, OptimizerSpec
from ganzoo_core.interfaces import SeededRng

STOP_STEPS = {"EncoderGAN": (3, 6, 9), "LazyADA": (2, 4, 9)}
"""Steps at which a model is stopped: within stages, and at the end of a stage."""


def class_name(cls):
    return cls.__name__


def test_contract_models_are_short():
    folder = Path(contract_models.__file__).parent
    for path in set(folder.glob("*.py")) - {folder / "networks.py"}:
        assert len(path.read_text(encoding="utf-8").splitlines()) < 70, path


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cls", CONTRACT_MODELS, ids=class_name)
def test_resume_is_bit_exact(cls, precision, tmp_path):
    start = copy.deepcopy(make_trainer(cls, precision=precision).state_dict())
    stops = STOP_STEPS.get(cls.__name__, (1, 5))
    straight, resumed = assert_resume_is_bit_exact(cls, tmp_path, stops, precision=precision)
    assert resumed.images_seen == straight.images_seen == 8 * straight.step
    moved = [n for n in differing_keys(start, straight.state_dict()) if n.startswith("model.")]
    assert len(moved) > len(start) / 8


@pytest.mark.parametrize("cls", CONTRACT_MODELS, ids=class_name)
def test_resumed_metrics_match(cls, tmp_path):
    straight = make_trainer(cls)
    straight.run(tmp_path / "straight")
    first = make_trainer(cls, steps=5)
    first.run(tmp_path / "parts")
    second = make_trainer(cls)
    second.restore(tmp_path / "parts")
    kept = [r for r in first.callback.records if r["step"] <= second.last_logged_step]
    second.run(tmp_path / "parts")
    assert kept + second.callback.records == straight.callback.records


@pytest.mark.parametrize("every", [1, 3])
def test_checkpoint_interval_does_not_change_run(every, tmp_path):
    plain, often = (
        make_trainer(LazyADA),
        make_trainer(LazyADA, checkpoint_every=every, save_total_limit=3),
    )
    plain.run(tmp_path / "plain")
    often.run(tmp_path / "often")
    assert differing_keys(plain.state_dict(), often.state_dict()) == []
    assert plain.callback.records == often.callback.records


def test_seed_changes_run(tmp_path):
    runs = [
        make_trainer(VAE, seed=seed, model=build_model(VAE, make_images().info)) for seed in (0, 1)
    ]
    for number, run in enumerate(runs):
        run.run(tmp_path / str(number))
    assert differing_keys(*(run.state_dict() for run in runs))


def test_ada_p_is_saved(tmp_path):
    run = make_trainer(LazyADA, steps=6)
    run.run(tmp_path)
    assert run.model.p != 0.5
    again = make_trainer(LazyADA)
    again.restore(tmp_path)
    assert torch.equal(again.model.p, run.model.p)


class RepeatsAndIntervals(LazyADA):
    """Three updates of D, two of G in every second step, D frozen in two steps."""

    def stages(self):
        (stage,) = super().stages()
        d, r1, g = stage.phases
        d = replace(d, repeats=3, condition=lambda ctx: ctx.step not in {4, 5})
        return (replace(stage, phases=(d, r1, replace(g, interval=2, repeats=2)), steps=9),)


class MomentumSGD(LazyADA):
    """SGD with momentum for both networks; EMA of D."""

    def configure_optimizers(self):
        optim = SGD(lr=0.01, momentum=0.9)
        return {
            "d": OptimizerSpec(("discriminator",), optim, ema_halflife=30.0),
            "g": OptimizerSpec(("generator",), optim),
        }


@pytest.mark.parametrize("cls", [RepeatsAndIntervals, MomentumSGD], ids=class_name)
@pytest.mark.parametrize("stop", [1, 4, 5, 8])
def test_resume_with_repeats_interval_condition(cls, stop, tmp_path):
    assert_resume_is_bit_exact(cls, tmp_path, (stop,))


class TorchRMSprop(VAE):
    """An optimizer class of torch, without options."""

    def configure_optimizers(self):
        return {"vae": OptimizerSpec(("encoder", "decoder"), torch.optim.RMSprop)}


def test_resume_with_torch_optimizer(tmp_path):
    assert_resume_is_bit_exact(TorchRMSprop, tmp_path, (3,))


def test_fused_adam_channels_last_resume(tmp_path):
    """Fused Adam permutes the moments silently if they are restored with other strides."""
    straight, resumed = assert_resume_is_bit_exact(VAE, tmp_path, (5,), steps=10)
    assert isinstance(straight.model.configure_optimizers()["vae"].optimizer, Adam)
    param = resumed.model.decoder[3].weight
    assert param.stride() == straight.model.decoder[3].weight.stride()
    assert not param.is_contiguous() and param.is_contiguous(memory_format=torch.channels_last)
    (optimizer,) = resumed.optimizers.values()
    assert optimizer.optimizer.state[param]["exp_avg"].stride() == param.stride()


def test_global_rng_state_untouched(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    make_trainer(TripletEmbedder, steps=2).run(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_finished_run_can_be_extended(tmp_path):
    _, resumed = assert_resume_is_bit_exact(EncoderGAN, tmp_path, (4, 12), steps=15)
    assert resumed.step == 15


def test_idle_networks_use_ema_in_eval_mode(tmp_path):
    run = make_trainer(EncoderGAN, steps=6)
    run.run(tmp_path)
    ema = run.optimizers["g"].ema.modules["generator"]
    assert run.model.generator.training
    assert differing_keys(ema.state_dict(), run.model.generator.state_dict())
    later = make_trainer(EncoderGAN)
    later.restore(tmp_path)
    later.run(tmp_path)
    modes = [later.model.generator.training, later.model.discriminator.training]
    assert [*modes, later.model.encoder.training] == [False, False, True]
    ema_state = later.ema_model().generator.state_dict()
    assert differing_keys(ema_state, later.model.generator.state_dict()) == []
    assert differing_keys(ema_state, ema.state_dict()) == []


@pytest.mark.parametrize(
    "cls", [c for c in CONTRACT_MODELS if hasattr(c, "generate")], ids=class_name
)
def test_sample_seed_is_deterministic(cls):
    model = build_model(cls, make_images().info)
    a, b, c = model.sample(6, seed=1), model.sample(6, seed=1), model.sample(6, seed=2)
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert a.shape == (6, 3, 16, 16) and a.dtype == torch.float32
    assert a.abs().max() <= 1 and model.training


def test_rng_is_function_of_position():
    def sample(*path):
        rng = SeededRng(torch.device("cpu"), *path)
        return [rng.randn(3, 4), rng.randn(3, 4), rng.uniform(-1, 1, 50), rng.rand(50)]

    one, same, other = (sample(0, "gan", step, 0) for step in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(one[0], one[1])
    assert -1 <= one[2].min() < -0.5 and 0.5 < one[2].max() < 1
    assert 0 <= one[3].min() < 0.25 and one[3].max() < 1


def test_small_network_shapes():
    info = make_images().info
    assert SmallGenerator(info)(torch.zeros(2, 8)).shape == (2, 3, 16, 16)
    assert SmallDiscriminator(info)(torch.zeros(2, 3, 16, 16)).shape == (2,)
