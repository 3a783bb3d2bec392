"""What the training of a model promises."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ganzoo_core.engine import Trainer
from ganzoo_core.interfaces import Step, Turn
from ganzoo_core.testing.checks.kit import check, demand
from ganzoo_core.testing.subject import ModelSubject

WAITS = {"item", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__", "__array__"}
"""Methods of a tensor that wait for the device, all but `tolist`: a model whose shapes depend on
its labels reads them, in one call."""
DRAWS = {
    "rand",
    "randn",
    "randint",
    "randperm",
    "rand_like",
    "randn_like",
    "randint_like",
    "normal",
    "normal_",
    "uniform_",
    "random_",
    "bernoulli",
    "bernoulli_",
    "multinomial",
}
"""Functions that draw random numbers."""


class Watched(TorchFunctionMode):
    """Notes what Python code asks of torch: waiting for the device, noise of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: set[str] = set()
        self.draws: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the call and let it pass."""
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in WAITS:
            self.waits.add(name)
        if name in DRAWS and kwargs.get("generator") is None:
            self.draws.add(name)
        return func(*args, **kwargs)


def play(trainer: Trainer, around: Callable[[Step], Step] = lambda step: step) -> Trainer:
    """Play every round of a plan, each step changed by `around`."""
    while trainer.round < trainer.plan.total:
        leg = trainer.plan.at(trainer.round)
        steps = tuple(around(step) for step in leg.stage.steps)
        if trainer.leg is None or trainer.leg.stage.name != leg.stage.name:
            trainer.enter(leg)
        trainer.leg = changed = replace(leg, stage=replace(leg.stage, steps=steps))
        trainer.play(changed)
    return trainer


@check("model")
def losses(subject: ModelSubject) -> None:
    """Returns a finite 0-d loss from every step, and logs 0-d values"""

    def around(step: Step) -> Step:
        """Look at a step's loss."""

        def loss(t: Turn) -> Tensor:
            value = step.loss(t)
            demand(
                isinstance(value, Tensor) and value.dim() == 0 and value.isfinite(),
                f"step {step.name!r} returns no finite 0-d tensor: take the mean of its loss",
            )
            return value

        return replace(step, loss=loss)

    trainer = play(subject.trainer(), around)
    for name, values in trainer.log.values.items():
        demand(all(v.dim() == 0 for v in values), f"t.log({name}=...) is not 0-d: log its mean")


@check("model")
def stays_on_device(subject: ModelSubject) -> None:
    """Never waits for the device within a step"""
    for step, seen in watched(subject).items():
        demand(
            not seen.waits,
            f"step {step!r} calls {', '.join(sorted(seen.waits))}: keep it a tensor, choose with "
            "torch.where, and log with t.log()",
        )


@check("model")
def noise(subject: ModelSubject) -> None:
    """Draws all its noise with t.noise(), so that every rank and every resume draws the same"""
    for step, seen in watched(subject).items():
        demand(
            not seen.draws,
            f"step {step!r} calls {', '.join(sorted(seen.draws))} of torch's own generator: draw "
            "with t.noise(), kind='uniform' or 'unit' where it is not normal",
        )


def watched(subject: ModelSubject) -> dict[str, Watched]:
    """Return what each step asked of torch in one round."""
    found: dict[str, Watched] = {}

    def around(step: Step) -> Step:
        """Watch a step's loss."""
        seen = found.setdefault(step.name, Watched())

        def loss(t: Turn) -> Tensor:
            with seen:
                return step.loss(t)

        return replace(step, loss=loss)

    play(subject.trainer(), around)
    return found


@check("model")
def gradients(subject: ModelSubject) -> None:
    """Gets a finite gradient to every trainable parameter"""
    trainer = subject.trainer()
    reached: set[str] = set()
    names = {id(p): n for n, p in trainer.model.named_parameters()}

    def note(parameter: Tensor) -> None:
        assert parameter.grad is not None
        name = names[id(parameter)]
        demand(parameter.grad.isfinite().all(), f"the gradient of {name} is not finite")
        reached.add(name)

    wanted = {name for player in trainer.players.values() for name in player.params}
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            hook: Any = parameter.register_post_accumulate_grad_hook
            hook(note)
    play(trainer)
    missed = sorted(wanted - reached)
    demand(not missed, f"no gradient reaches {missed[:1]}: is it used in forward?")


@check("model")
def learns(subject: ModelSubject) -> None:
    """Changes the weights of every player in one round"""
    before, after = subject.trainer(), subject.trained()
    for name, player in before.players.items():
        moved = any(not torch.equal(p, after[f"model.{n}"]) for n, p in player.params.items())
        demand(moved, f"player {name!r} learns nothing in a round: does a step name it?")


@check("model")
def accumulates(subject: ModelSubject) -> None:
    """Trains in micro-batches, so it knows no fixed batch"""
    play(subject.trainer(accumulate=2))


@check("model")
def half_precision(subject: ModelSubject) -> None:
    """Trains under bf16 autocast to finite weights"""
    state = play(subject.trainer(precision="bf16")).state()
    wrong = [n for n, t in state.items() if t.is_floating_point() and not t.isfinite().all()]
    demand(not wrong, f"{wrong[:1]} is not finite: compute sums and logarithms in x.float()")


@check("model")
def repeats(subject: ModelSubject) -> None:
    """Trains to the same bits from the same seed"""
    first, second = subject.twice.state(), subject.trained(2)
    differ = [name for name in first if not torch.equal(first[name], second[name])]
    demand(not differ, f"{differ[:1]} differs: draw all noise with t.noise(), never torch.randn()")


@check("model")
def resumes(subject: ModelSubject) -> None:
    """Continues from a checkpoint to the same bits as without the stop, after every round"""
    whole, trainer = subject.twice.state(), subject.trainer(2)
    with tempfile.TemporaryDirectory() as folder:
        while trainer.round < trainer.plan.total - 1:
            trainer.play(trainer.plan.at(trainer.round))
            trainer.save(Path(folder))
            trainer = subject.trainer(2)
            trainer.restore(Path(folder))
        trainer.run(Path(folder))
    state = trainer.state()
    differ = [name for name in whole if not torch.equal(whole[name], state[name])]
    demand(not differ, f"{differ[:1]} is lost by a stop: make what changes a Parameter or a buffer")
