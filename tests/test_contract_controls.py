"""Holding a player back: steps that do not count, and networks that begin anew."""

from dataclasses import replace

import pytest
import torch
from workbench import differences, drawn, make, stopped_and_resumed, trainer
from zoo_of_proofs import Handicapped
from zoo_of_proofs.parts import SmallD

from ganzoo_core import SGD, Adam, Player
from ganzoo_core.engine.plan import rounds_in
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import Draw, Stage

OPTIMISERS = {
    "adam": Adam(lr=1e-2),
    "momentum": SGD(lr=0.01, momentum=0.9),
    "sgd": SGD(lr=0.01),
    "rmsprop": torch.optim.RMSprop,
}


class Halted(Handicapped):
    """D's steps count in every second round, as a tensor says; D has any optimiser."""

    optim = Adam()

    def players(self):
        return {**super().players(), "d": Player(("discriminator",), self.optim)}

    def may(self, t):
        return (t.seen / 8) % 2 == 0

    def stages(self):
        (gan,) = super().stages()
        d, g = gan.steps
        return (replace(gan, steps=(d, replace(g, after=None))),)


def of_d(run):
    """Return copies of D's weights and of its optimiser's state."""
    kept = ("model.discriminator.", "optim.d.")
    floats = {n: t for n, t in run.state().items() if n.startswith(kept) and "running" not in n}
    return {n: t.clone() for n, t in floats.items() if "tracked" not in n}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_step_that_does_not_count_leaves_weights_and_optimiser_as_they_were(name, tmp_path):
    cls = type("Halted", (Halted,), {"optim": staticmethod(OPTIMISERS[name])})
    run, before = trainer(cls), None
    for round in range(6):
        before = of_d(run)
        run.play(run.plan.legs[0])
        moved = differences(before, of_d(run))
        assert bool(moved) == (round % 2 == 0), moved
    assert len(run.log.values["d"]) == 6  # the loss is known all the same
    assert differences(before, of_d(run)) == []


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_first_step_that_does_not_count_leaves_an_optimiser_that_begins_as_ever(name):
    """State that such a step created is as good as none."""
    late = type(
        "Late",
        (Halted,),
        {
            "optim": staticmethod(OPTIMISERS[name]),
            "may": lambda self, t: t.seen >= 8,
        },
    )
    never = type("Never", (late,), {"may": lambda self, t: t.round >= 1})
    runs = [trainer(cls) for cls in (late, never)]
    for run in runs:
        run.model.discriminator.layers[1].momentum = 0.0  # else the extra pass shows there
        for _ in range(3):
            run.play(run.plan.legs[0])
    assert differences(*(of_d(run) for run in runs)) == []


@pytest.mark.parametrize("stop", [3, 5, 6, 7, 12])
def test_a_handicapped_discriminator_resumes_exactly_at_every_turn_of_its_fate(stop, tmp_path):
    straight = trainer(Handicapped)
    straight.run(tmp_path / "straight")
    resumed = stopped_and_resumed(Handicapped, tmp_path / "parts", (stop,))
    assert differences(straight.state(), resumed.state()) == []


def test_a_discriminator_that_begins_anew_forgets_all_it_knew():
    run = trainer(Handicapped)
    for _ in range(5):
        run.play(run.plan.legs[0])
    old = of_d(run)
    assert any(n.startswith("optim.d") for n in old)
    run.play(run.plan.legs[0])  # 1.2 epochs of 40 images in batches of 8: the sixth round
    new = of_d(run)
    assert not any(n.startswith("optim.d") for n in new)
    weights = {n: t for n, t in new.items() if n.endswith("weight")}
    assert all(float((t - old[n]).abs().max()) > 1e-3 for n, t in weights.items() if t.ndim > 1)
    shadow = run.players["d"].average.nets["discriminator"].state_dict()
    assert differences(shadow, run.model.discriminator.state_dict()) == []
    fresh = SmallD(drawn().info).state_dict()
    for name, tensor in run.model.discriminator.state_dict().items():
        if name.endswith("running_var"):
            assert torch.equal(tensor, fresh[name])


def test_both_rules_decide_something(tmp_path):
    """The span halts D on the host, the bound on the device; neither halts it always."""
    run = trainer(Handicapped)
    moved = []
    for _ in range(15):
        before = of_d(run)
        run.play(run.plan.legs[0])
        moved.append(bool(differences(before, of_d(run))))
    assert moved[2:4] == [False, False]
    assert len(run.log.values["d"]) == 13
    assert True in moved[6:11] and False in (moved[:2] + moved[4:5] + moved[6:11])


def test_epochs_become_rounds_as_in_the_plan():
    stage = Stage("gan", make(Handicapped, drawn().info).stages()[0].steps)
    assert rounds_in(1.2, stage, 8, 40) == 6
    assert rounds_in(0.01, stage, 8, 40) == 1
    with pytest.raises(UsageError, match="count in rounds"):
        rounds_in(1, replace(stage, draw=Draw(how="none")), 8, 40)
