"""`model.d_control`: freezing and resetting D, and exact resume."""

import math

import pytest
import torch
from contract_models.networks import SmallDiscriminator, SmallGANConfig, SmallGenerator
from training_helpers import assert_resume_is_bit_exact, make_trainer, run_steps

from ganzoo_core import GAN, Adam
from ganzoo_core.config import DiscriminatorControlConfig
from ganzoo_core.config.base import parse
from ganzoo_core.errors import UsageError
from ganzoo_core.losses import make_loss

NUM_STEPS = 12  # of 8 images: 2.4 epochs of 40 images


class ControlledGAN(GAN):
    """A GAN with the loss of its options."""

    Config = SmallGANConfig

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator = SmallGenerator(info), SmallDiscriminator(info)
        self.loss = make_loss(config.loss)


def gan_with_control(**control):
    """Return a GAN class with these options of `model.d_control`."""
    config = SmallGANConfig(d_control=control, optim_d=Adam(lr=0.02), epochs=NUM_STEPS / 5)
    return type("GANWithControl", (ControlledGAN,), {"Config": lambda: config})


def clone_params(net):
    return [p.detach().clone() for p in net.parameters()]


def params_equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def train_recording_d(cls):
    """Train; return the Trainer and, for each step, whether D kept its weights."""
    run = make_trainer(cls)
    assert run.plan.total_steps == NUM_STEPS
    is_d_frozen, previous = [], clone_params(run.model.discriminator)
    for _ in range(NUM_STEPS):
        run_steps(run)
        current = clone_params(run.model.discriminator)
        is_d_frozen.append(params_equal(previous, current))
        previous = current
    return run, is_d_frozen


def test_no_control_by_default():
    run, is_frozen = train_recording_d(gan_with_control())
    assert not any(is_frozen) and run.model.d_accuracy is None
    assert "frozen/d" not in run.log.values


def test_freeze_epochs():
    run, is_frozen = train_recording_d(gan_with_control(freeze_epochs=(0.4, 1.4)))
    # 5 steps an epoch: frozen from step 2 to 7
    assert is_frozen == [2 <= i < 7 for i in range(NUM_STEPS)]
    log = {name: [v.item() for v in values] for name, values in run.log.values.items()}
    assert log["frozen/d"] == [float(x) for x in is_frozen]
    assert len(log["loss/d"]) == len(log["accuracy/d"]) == NUM_STEPS
    _, is_frozen = train_recording_d(gan_with_control(freeze_epochs=(0, 0.6)))
    assert is_frozen == [i < 3 for i in range(NUM_STEPS)]


def test_freeze_above_accuracy():
    run, is_frozen = train_recording_d(gan_with_control(freeze_above_accuracy=0.55))
    log = {name: [v.item() for v in values] for name, values in run.log.values.items()}
    average, expected = 0.5, []
    for accuracy in log["accuracy/d"]:
        expected.append(average > 0.55)
        average += 0.1 * (accuracy - average)
    assert is_frozen == expected and any(is_frozen) and not all(is_frozen)
    assert run.model.d_accuracy.item() == pytest.approx(average, rel=1e-4)


def test_reset_every_epochs():
    run = make_trainer(gan_with_control(reset_every_epochs=0.8))  # every 4 steps
    net = run.model.discriminator
    for step in range(1, 9):
        run_steps(run)
        is_reset = not run.optimizers["d"].optimizer.state
        assert is_reset == (step % 4 == 0)
        norm = net.layers[1]
        assert (norm.running_mean.abs().sum() == 0 and (norm.weight == 1).all()) == is_reset
        assert run.optimizers["g"].optimizer.state


def test_each_reset_draws_new_weights():
    run, d_params = make_trainer(gan_with_control(reset_every_epochs=0.4)), []
    for step in range(1, 5):
        run_steps(run)
        d_params += [clone_params(run.model.discriminator)] if step % 2 == 0 else []
    assert not params_equal(*d_params)
    bound = 1 / math.sqrt(3 * 16)  # torch's initialization of a 4x4 convolution of 3 channels
    assert all(w[0].abs().max() <= bound for w in d_params)


CONTROLS = [
    {"reset_every_epochs": 0.8},
    {"freeze_epochs": (0.4, 1.4)},
    {"freeze_above_accuracy": 0.55},
]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: next(iter(c)))
@pytest.mark.parametrize("stop", [3, 4, 7])
def test_control_resume_is_bit_exact(control, stop, tmp_path):
    cls = gan_with_control(**control)
    straight, resumed = assert_resume_is_bit_exact(cls, tmp_path, (stop,))
    assert straight.callback.records[-1] == resumed.callback.records[-1]


@pytest.mark.parametrize(
    ("control", "key"),
    [
        ({"reset_every_epochs": 0}, "d_control.reset_every_epochs"),
        ({"freeze_epochs": [2, 1]}, "freeze_epochs"),
        ({"freeze_above_accuracy": 0.5}, "d_control.freeze_above_accuracy"),
        ({"freeze_above_accuracy": float("nan")}, "d_control.freeze_above_accuracy"),
        ({"freeze": 1}, "d_control.freeze"),
    ],
)
def test_invalid_control_options_refused(control, key):
    with pytest.raises(UsageError, match=key) as error:
        parse(DiscriminatorControlConfig, control, "d_control")
    assert "\n" not in str(error.value)
