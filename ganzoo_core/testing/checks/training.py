"""Checks of a model's training."""

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
from ganzoo_core.interfaces import Phase, StepContext
from ganzoo_core.testing.checks.framework import check, require
from ganzoo_core.testing.subject import ModelSubject

_SYNC_METHODS = {
    "item",
    "cpu",
    "numpy",
    "__bool__",
    "__int__",
    "__float__",
    "__index__",
    "__array__",
}
"""Tensor methods that wait for the device. `tolist` is allowed: a model whose shapes depend on the
labels may read them, in one call."""
_RANDOM_FUNCTIONS = {
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
"""Functions that draw random numbers from torch's global generator by default."""


class _TorchCallRecorder(TorchFunctionMode):
    """Records calls of torch that wait for the device or use the global generator."""

    def __init__(self) -> None:
        super().__init__()
        self.sync_calls: set[str] = set()
        self.random_calls: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record the call and make it."""
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in _SYNC_METHODS:
            self.sync_calls.add(name)
        if name in _RANDOM_FUNCTIONS and kwargs.get("generator") is None:
            self.random_calls.add(name)
        return func(*args, **kwargs)


def _train_all_steps(
    trainer: Trainer, wrap_phase: Callable[[Phase], Phase] = lambda phase: phase
) -> Trainer:
    """Train through all stages; `wrap_phase` replaces each phase."""
    while trainer.step < trainer.plan.total_steps:
        scheduled_stage = trainer.plan.stage_at(trainer.step)
        phases = tuple(wrap_phase(phase) for phase in scheduled_stage.stage.phases)
        if (
            trainer.current_stage is None
            or trainer.current_stage.stage.name != scheduled_stage.stage.name
        ):
            trainer.start_stage(scheduled_stage)
        trainer.current_stage = changed = replace(
            scheduled_stage, stage=replace(scheduled_stage.stage, phases=phases)
        )
        trainer.train_step(changed)
    return trainer


@check("model")
def losses_are_finite(subject: ModelSubject) -> None:
    """Returns a finite 0-d loss from every phase, and logs 0-d values"""

    def wrap_phase(phase: Phase) -> Phase:
        def loss(ctx: StepContext) -> Tensor:
            value = phase.loss(ctx)
            require(
                isinstance(value, Tensor) and value.dim() == 0 and value.isfinite(),
                f"phase {phase.name!r} does not return a finite 0-d tensor: return the mean",
            )
            return value

        return replace(phase, loss=loss)

    trainer = _train_all_steps(subject.build_trainer(), wrap_phase)
    for name, values in trainer.log.values.items():
        require(all(v.dim() == 0 for v in values), f"ctx.log: {name!r} is not 0-d: log its mean")


@check("model")
def no_device_sync(subject: ModelSubject) -> None:
    """Does not wait for the device in a loss"""
    for phase, recorder in _record_torch_calls(subject).items():
        require(
            not recorder.sync_calls,
            f"phase {phase!r} calls {', '.join(sorted(recorder.sync_calls))}: keep values as "
            "tensors, use torch.where, and log with ctx.log()",
        )


@check("model")
def no_global_rng(subject: ModelSubject) -> None:
    """Draws random numbers only from `ctx`, so that ranks and resumed runs draw the same"""
    for phase, recorder in _record_torch_calls(subject).items():
        require(
            not recorder.random_calls,
            f"phase {phase!r} calls torch.{', '.join(sorted(recorder.random_calls))}: use "
            "ctx.randn(), ctx.rand() or ctx.uniform()",
        )


def _record_torch_calls(subject: ModelSubject) -> dict[str, _TorchCallRecorder]:
    """Return the calls of each phase in one step of each stage."""
    recorders: dict[str, _TorchCallRecorder] = {}

    def wrap_phase(phase: Phase) -> Phase:
        recorder = recorders.setdefault(phase.name, _TorchCallRecorder())

        def loss(ctx: StepContext) -> Tensor:
            with recorder:
                return phase.loss(ctx)

        return replace(phase, loss=loss)

    _train_all_steps(subject.build_trainer(), wrap_phase)
    return recorders


@check("model")
def gradients_reach_parameters(subject: ModelSubject) -> None:
    """Has a finite gradient for every trainable parameter"""
    trainer = subject.build_trainer()
    reached: set[str] = set()
    names = {id(p): n for n, p in trainer.model.named_parameters()}

    def record_gradient(parameter: Tensor) -> None:
        assert parameter.grad is not None
        name = names[id(parameter)]
        require(parameter.grad.isfinite().all(), f"the gradient of {name} is not finite")
        reached.add(name)

    trainable = {name for state in trainer.optimizers.values() for name in state.params}
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            hook: Any = parameter.register_post_accumulate_grad_hook
            hook(record_gradient)
    _train_all_steps(trainer)
    without_gradient = sorted(trainable - reached)
    require(not without_gradient, f"{without_gradient[:1]} has no gradient: use it in forward()")


@check("model")
def weights_change(subject: ModelSubject) -> None:
    """Changes the weights of every optimizer in one step"""
    before, after = subject.build_trainer(), subject.trained_state()
    for name, state in before.optimizers.items():
        changed = any(not torch.equal(p, after[f"model.{n}"]) for n, p in state.params.items())
        require(changed, f"optimizer {name!r} changes no weights in a step: does a phase use it?")


@check("model")
def gradient_accumulation(subject: ModelSubject) -> None:
    """Trains with gradient accumulation, so it does not assume a batch size"""
    _train_all_steps(subject.build_trainer(grad_accum_steps=2))


@check("model")
def bf16_autocast(subject: ModelSubject) -> None:
    """Has finite weights after training under bf16 autocast"""
    state = _train_all_steps(subject.build_trainer(precision="bf16")).state_dict()
    wrong = [n for n, t in state.items() if t.is_floating_point() and not t.isfinite().all()]
    require(not wrong, f"{wrong[:1]} is not finite: compute sums and logarithms in x.float()")


@check("model")
def training_is_reproducible(subject: ModelSubject) -> None:
    """Trains bit-exactly to the same weights for the same seed"""
    first, second = subject.two_step_trainer.state_dict(), subject.trained_state(2)
    differ = [name for name in first if not torch.equal(first[name], second[name])]
    require(
        not differ, f"{differ[:1]} differs: draw random numbers with ctx.randn(), not torch.randn()"
    )


@check("model")
def resume_is_exact(subject: ModelSubject) -> None:
    """Resumes bit-exactly from a checkpoint of every step"""
    uninterrupted, trainer = subject.two_step_trainer.state_dict(), subject.build_trainer(2)
    with tempfile.TemporaryDirectory() as folder:
        while trainer.step < trainer.plan.total_steps - 1:
            trainer.train_step(trainer.plan.stage_at(trainer.step))
            trainer.save(Path(folder))
            trainer = subject.build_trainer(2)
            trainer.restore(Path(folder))
        trainer.run(Path(folder))
    state = trainer.state_dict()
    differ = [name for name in uninterrupted if not torch.equal(uninterrupted[name], state[name])]
    require(
        not differ, f"{differ[:1]} differs after a resume: keep state in a Parameter or a buffer"
    )
