"""The cures for a discriminator that wins: each does what it says, and resumes exactly."""

import math

import pytest
import torch
from workbench import differences, stopped_and_resumed, trainer
from zoo_of_proofs.parts import Small, SmallD, SmallG

from ganzoo_core import GAN, Adam
from ganzoo_core.config import Cures
from ganzoo_core.config.base import parse
from ganzoo_core.errors import UsageError
from ganzoo_core.losses import make_loss

ROUNDS = 12  # of 8 images each: 2.4 epochs of the 40 drawn pictures


class Cured(GAN):
    """A GAN whose cures are to be set."""

    Config = Small

    def __init__(self, config, info):
        super().__init__(config, info)
        self.generator, self.discriminator = SmallG(info), SmallD(info)
        self.loss = make_loss(config.loss)


def cured(**cures):
    """Return the class with a configuration of its own."""
    config = Small(cures=cures, optim_d=Adam(lr=0.02), epochs=ROUNDS / 5)
    return type("Cured", (Cured,), {"Config": lambda: config})


def weights(net):
    return [p.detach().clone() for p in net.parameters()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def course(cls):
    """Play all rounds; return what each did to D's weights, and the log."""
    run = trainer(cls)
    assert run.plan.total == ROUNDS
    held, before = [], weights(run.model.discriminator)
    for _ in range(ROUNDS):
        run.play(run.plan.legs[0])
        now = weights(run.model.discriminator)
        held.append(same(before, now))
        before = now
    return run, held


def test_without_cures_nothing_is_held_back():
    run, held = course(cured())
    assert not any(held) and run.model.d_accuracy is None
    assert "d_halted" not in run.log.values


def test_a_span_halts_d_and_the_curves_go_on():
    run, held = course(cured(halt_d=(0.4, 1.4)))  # 5 rounds an epoch: from round 2 to 7
    assert held == [2 <= i < 7 for i in range(ROUNDS)]
    log = {name: [v.item() for v in values] for name, values in run.log.values.items()}
    assert log["d_halted"] == [float(h) for h in held]
    assert len(log["d"]) == len(log["d_accuracy"]) == ROUNDS
    assert course(cured(halt_d=(0, 0.6)))[1] == [i < 3 for i in range(ROUNDS)]


def test_an_accurate_d_is_halted_until_it_errs_again():
    run, held = course(cured(halt_d_above=0.55))
    log = {name: [v.item() for v in values] for name, values in run.log.values.items()}
    average, by_hand = 0.5, []
    for accuracy in log["d_accuracy"]:
        by_hand.append(average > 0.55)
        average += 0.1 * (accuracy - average)
    assert held == by_hand and any(held) and not all(held)
    assert run.model.d_accuracy.item() == pytest.approx(average, rel=1e-4)


def test_d_begins_anew_every_so_many_epochs():
    run = trainer(cured(reset_d=0.8))  # every 4 rounds
    net = run.model.discriminator
    for round in range(1, 9):
        run.play(run.plan.legs[0])
        fresh = not run.players["d"].optim.state
        assert fresh == (round % 4 == 0)
        norm = net.layers[1]
        assert (norm.running_mean.abs().sum() == 0 and (norm.weight == 1).all()) == fresh
        assert run.players["g"].optim.state


def test_each_new_d_is_another_one():
    run, found = trainer(cured(reset_d=0.4)), []
    for round in range(1, 5):
        run.play(run.plan.legs[0])
        found += [weights(run.model.discriminator)] if round % 2 == 0 else []
    assert not same(*found)
    bound = 1 / math.sqrt(3 * 16)  # torch's own first weights of a 4x4 conv of three channels
    assert all(w[0].abs().max() <= bound for w in found)


CURES = [{"reset_d": 0.8}, {"halt_d": (0.4, 1.4)}, {"halt_d_above": 0.55}]


@pytest.mark.parametrize("cures", CURES, ids=lambda c: next(iter(c)))
@pytest.mark.parametrize("stop", [3, 4, 7])
def test_it_resumes_bit_by_bit(cures, stop, tmp_path):
    straight = trainer(cured(**cures))
    straight.run(tmp_path / "straight")
    resumed = stopped_and_resumed(cured(**cures), tmp_path / "parts", (stop,))
    assert differences(straight.state(), resumed.state()) == []
    assert straight.watcher.records[-1] == resumed.watcher.records[-1]


@pytest.mark.parametrize(
    ("cures", "words"),
    [
        ({"reset_d": 0}, "cures.reset_d"),
        ({"halt_d": [2, 1]}, r"^halt_d ends before it begins: write \[FROM"),
        ({"halt_d_above": 0.5}, "cures.halt_d_above"),
        ({"halt_d_above": float("nan")}, "cures.halt_d_above"),
        ({"halt": 1}, "'cures.halt'"),
    ],
)
def test_a_cure_that_makes_no_sense_is_refused(cures, words):
    with pytest.raises(UsageError, match=words) as error:
        parse(Cures, cures, "cures")
    assert "\n" not in str(error.value)
