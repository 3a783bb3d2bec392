"""Conditional phases: updates that are reverted on the device, and networks that are reset."""

from dataclasses import replace

import pytest
import torch
from contract_models import ControlledDiscriminatorGAN
from contract_models.networks import SmallDiscriminator
from training_helpers import (
    assert_resume_is_bit_exact,
    build_model,
    differing_keys,
    make_images,
    make_trainer,
    run_steps,
)

from ganzoo_core import SGD, Adam, OptimizerSpec
from ganzoo_core.engine.plan import steps_for_epochs
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import BatchSpec, Stage

OPTIMIZERS = {
    "adam": Adam(lr=1e-2),
    "momentum": SGD(lr=0.01, momentum=0.9),
    "sgd": SGD(lr=0.01),
    "rmsprop": torch.optim.RMSprop,
}


class AlternatingDGAN(ControlledDiscriminatorGAN):
    """A 0-d tensor keeps the update of D in every second step; D has any optimizer."""

    d_optimizer = Adam()

    def configure_optimizers(self):
        return {
            **super().configure_optimizers(),
            "d": OptimizerSpec(("discriminator",), self.d_optimizer),
        }

    def should_train_d(self, ctx):
        return (ctx.images_seen / 8) % 2 == 0

    def stages(self):
        (gan,) = super().stages()
        d, g = gan.phases
        return (replace(gan, phases=(d, replace(g, after_step=None))),)


def d_state(run):
    """Return copies of the weights of D and of the state of its optimizer."""
    prefixes = ("model.discriminator.", "optim.d.")
    floats = {
        n: t for n, t in run.state_dict().items() if n.startswith(prefixes) and "running" not in n
    }
    return {n: t.clone() for n, t in floats.items() if "tracked" not in n}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_skipped_phase_keeps_optimizer_state(name, tmp_path):
    cls = type("FrozenD", (AlternatingDGAN,), {"d_optimizer": staticmethod(OPTIMIZERS[name])})
    run, before = make_trainer(cls), None
    for step in range(6):
        before = d_state(run)
        run_steps(run)
        moved = differing_keys(before, d_state(run))
        assert bool(moved) == (step % 2 == 0), moved
    assert len(run.log.values["loss/d"]) == 6  # the loss is computed in every step
    assert differing_keys(before, d_state(run)) == []


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_skipped_first_phase_keeps_fresh_optimizer(name):
    """A reverted first update leaves the optimizer as if it had not run."""
    late = type(
        "Late",
        (AlternatingDGAN,),
        {
            "d_optimizer": staticmethod(OPTIMIZERS[name]),
            "should_train_d": lambda self, ctx: ctx.images_seen >= 8,
        },
    )
    never = type("Never", (late,), {"should_train_d": lambda self, ctx: ctx.step >= 1})
    runs = [make_trainer(cls) for cls in (late, never)]
    for run in runs:
        run.model.discriminator.layers[1].momentum = 0.0  # else the extra pass changes them
        run_steps(run, 3)
    assert differing_keys(*(d_state(run) for run in runs)) == []


@pytest.mark.parametrize("stop", [3, 5, 6, 7, 12])
def test_controlled_d_resume_is_bit_exact(stop, tmp_path):
    assert_resume_is_bit_exact(ControlledDiscriminatorGAN, tmp_path, (stop,))


def test_d_reset_clears_all_state():
    run = make_trainer(ControlledDiscriminatorGAN)
    run_steps(run, 5)
    old = d_state(run)
    assert any(n.startswith("optim.d") for n in old)
    run_steps(run)  # the sixth step: 1.2 epochs of 40 images in batches of 8
    new = d_state(run)
    assert not any(n.startswith("optim.d") for n in new)
    weights = {n: t for n, t in new.items() if n.endswith("weight")}
    assert all(float((t - old[n]).abs().max()) > 1e-3 for n, t in weights.items() if t.ndim > 1)
    shadow = run.optimizers["d"].ema.modules["discriminator"].state_dict()
    assert differing_keys(shadow, run.model.discriminator.state_dict()) == []
    fresh = SmallDiscriminator(make_images().info).state_dict()
    for name, tensor in run.model.discriminator.state_dict().items():
        if name.endswith("running_var"):
            assert torch.equal(tensor, fresh[name])


def test_both_conditions_take_effect(tmp_path):
    """A bool from the step freezes D on the host, a tensor from the accuracy on the device."""
    run = make_trainer(ControlledDiscriminatorGAN)
    moved = []
    for _ in range(15):
        before = d_state(run)
        run_steps(run)
        moved.append(bool(differing_keys(before, d_state(run))))
    assert moved[2:4] == [False, False]
    assert len(run.log.values["loss/d"]) == 13
    assert True in moved[6:11] and False in (moved[:2] + moved[4:5] + moved[6:11])


def test_epochs_to_steps_matches_plan():
    (gan,) = build_model(ControlledDiscriminatorGAN, make_images().info).stages()
    stage = Stage("gan", gan.phases)
    assert steps_for_epochs(1.2, stage, 8, 40) == 6
    assert steps_for_epochs(0.01, stage, 8, 40) == 1
    with pytest.raises(UsageError, match="gan"):
        steps_for_epochs(1, replace(stage, batch=BatchSpec(sampler="none")), 8, 40)
