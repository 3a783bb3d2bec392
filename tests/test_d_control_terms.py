"""The terms `d-freeze` and `d-reset`: freezing and resetting D, and exact resume."""

import math

import pytest
import torch
from contract_models.networks import SmallDiscriminator, SmallGANConfig, SmallGenerator
from training_helpers import assert_resume_is_bit_exact, make_trainer, run_steps

from ganzoo_core import GAN, Adam
from ganzoo_core.config import build_config, parse_assignments
from ganzoo_core.config.terms import parse_terms
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


def gan_with_control(**terms):
    """Return a GAN class with these terms, `-` written as `_`."""
    terms = {name.replace("_", "-"): options for name, options in terms.items()}
    config = SmallGANConfig(terms=terms, optim_d=Adam(lr=0.02), epochs=NUM_STEPS / 5)
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
    assert not any(is_frozen) and not run.model.terms
    assert "frozen/d" not in run.log.values


def test_freeze_epochs():
    run, is_frozen = train_recording_d(gan_with_control(d_freeze={"epochs": (0.4, 1.4)}))
    # 5 steps an epoch: frozen from step 2 to 7
    assert is_frozen == [2 <= i < 7 for i in range(NUM_STEPS)]
    log = {name: [v.item() for v in values] for name, values in run.log.values.items()}
    assert log["frozen/d"] == [float(x) for x in is_frozen]
    assert len(log["loss/d"]) == len(log["accuracy/d"]) == NUM_STEPS
    _, is_frozen = train_recording_d(gan_with_control(d_freeze={"epochs": (0, 0.6)}))
    assert is_frozen == [i < 3 for i in range(NUM_STEPS)]


def test_freeze_above_accuracy():
    run, is_frozen = train_recording_d(gan_with_control(d_freeze={"above_accuracy": 0.55}))
    log = {name: [v.item() for v in values] for name, values in run.log.values.items()}
    average, expected = 0.5, []
    for accuracy in log["accuracy/d"]:
        expected.append(average > 0.55)
        average += 0.1 * (accuracy - average)
    assert is_frozen == expected and any(is_frozen) and not all(is_frozen)
    assert run.model.terms["d-freeze"].accuracy.item() == pytest.approx(average, rel=1e-4)


def test_reset_every_epochs():
    run = make_trainer(gan_with_control(d_reset={"every_epochs": 0.8}))  # every 4 steps
    net = run.model.discriminator
    for step in range(1, 9):
        run_steps(run)
        is_reset = not run.optimizers["d"].optimizer.state
        assert is_reset == (step % 4 == 0)
        norm = net.layers[1]
        assert (norm.running_mean.abs().sum() == 0 and (norm.weight == 1).all()) == is_reset
        assert run.optimizers["g"].optimizer.state


def test_each_reset_draws_new_weights():
    run, d_params = make_trainer(gan_with_control(d_reset={"every_epochs": 0.4})), []
    for step in range(1, 5):
        run_steps(run)
        d_params += [clone_params(run.model.discriminator)] if step % 2 == 0 else []
    assert not params_equal(*d_params)
    bound = 1 / math.sqrt(3 * 16)  # torch's initialization of a 4x4 convolution of 3 channels
    assert all(w[0].abs().max() <= bound for w in d_params)


CONTROLS = [
    {"d_reset": {"every_epochs": 0.8}},
    {"d_freeze": {"epochs": (0.4, 1.4)}},
    {"d_freeze": {"above_accuracy": 0.55}},
    {"d_freeze": {"above_accuracy": 0.55}, "d_reset": {"every_epochs": 0.8}},
]


@pytest.mark.parametrize(
    "control", CONTROLS, ids=lambda c: "-".join(key for options in c.values() for key in options)
)
@pytest.mark.parametrize("stop", [3, 4, 7])
def test_control_resume_is_bit_exact(control, stop, tmp_path):
    cls = gan_with_control(**control)
    straight, resumed = assert_resume_is_bit_exact(cls, tmp_path, (stop,))
    assert straight.callback.records[-1] == resumed.callback.records[-1]


@pytest.mark.parametrize(
    ("terms", "option"),
    [
        ({"d-reset": {"every_epochs": 0}}, "model.terms.d-reset.every_epochs"),
        ({"d-reset": {}}, "model.terms.d-reset.every_epochs"),
        ({"d-freeze": {"epochs": [2, 1]}}, "epochs"),
        ({"d-freeze": {}}, "above_accuracy"),
        ({"d-freeze": {"above_accuracy": 0.5}}, "model.terms.d-freeze.above_accuracy"),
        ({"d-freeze": {"above_accuracy": float("nan")}}, "model.terms.d-freeze.above_accuracy"),
        ({"d-freeze": {"freeze": 1}}, "model.terms.d-freeze.freeze"),
    ],
)
def test_invalid_control_options_refused(terms, option):
    with pytest.raises(UsageError, match=option) as error:
        parse_terms(terms)
    assert "\n" not in str(error.value)


def test_control_builds_from_set_and_can_be_removed():
    def d_freeze(*assignments):
        patch = parse_assignments(assignments)
        return build_config("gan", preset="quick", patches=[patch]).model.terms.get("d-freeze")

    assert d_freeze().above_accuracy == 0.75 and d_freeze().epochs is None
    assert d_freeze("model.terms.d-freeze.epochs=[0, 1]").epochs == (0, 1)
    assert d_freeze("model.terms.d-freeze=none") is None
