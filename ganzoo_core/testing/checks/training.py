"""Checks of a model's training."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ganzoo_core.engine import Trainer
from ganzoo_core.engine.contract import check_buffers_agree, check_loss, phase_location
from ganzoo_core.engine.world import World
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.interfaces import GAN, Batch, Model, Phase, StepContext
from ganzoo_core.testing.checks.framework import CheckFailed, check, require
from ganzoo_core.testing.rank_threads import run_ranks
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
_ODD_BATCH_SIZE = 5


def _generator_states() -> dict[str, str]:
    numpy_state = np.random.get_state(legacy=False)
    return {"random": repr(random.getstate()), "numpy.random": repr(numpy_state)}


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
        self.other_generators: set[str] = set()

    @contextmanager
    def watch_generators(self) -> Iterator[None]:
        """Record whether the block uses the generators of Python and numpy."""
        before = _generator_states()
        yield
        after = _generator_states()
        self.other_generators |= {name for name in before if before[name] != after[name]}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record the call and make it."""
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in _SYNC_METHODS:
            self.sync_calls.add(name)
        if name in _RANDOM_FUNCTIONS and kwargs.get("generator") is None:
            self.random_calls.add(name)
        return func(*args, **kwargs)


def _wrap_loss(
    phase: Phase, change: Callable[[Callable[[StepContext], Any], StepContext], Any]
) -> Phase:
    """Return the phase with a loss that calls `change(loss, ctx)`; messages still name the place of
    the original."""

    @functools.wraps(phase.loss)
    def loss(ctx: StepContext) -> Any:
        return change(phase.loss, ctx)

    return replace(phase, loss=loss)


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
    trainer = subject.build_trainer()

    def wrap_phase(phase: Phase) -> Phase:
        def check_value(loss: Callable[[StepContext], Any], ctx: StepContext) -> Any:
            value = loss(ctx)
            check_loss(value, phase, trainer.model)
            location = phase_location(phase, trainer.model)
            require(value.isfinite(), f"{location}: the loss is not finite")
            return value

        return _wrap_loss(phase, check_value)

    _train_all_steps(trainer, wrap_phase)


@check("model")
def no_device_sync(subject: ModelSubject) -> None:
    """Does not wait for the device in a loss"""
    for location, recorder in _record_torch_calls(subject).items():
        require(
            not recorder.sync_calls,
            f"{location} calls {', '.join(sorted(recorder.sync_calls))}: keep values as "
            "tensors, use torch.where, and log with ctx.log()",
        )


@check("model")
def no_global_rng(subject: ModelSubject) -> None:
    """Draws random numbers only from `ctx`, so that ranks and resumed runs draw the same"""
    for location, recorder in _record_torch_calls(subject).items():
        calls = ", ".join(sorted(f"torch.{name}" for name in recorder.random_calls))
        calls = calls or ", ".join(sorted(recorder.other_generators))
        require(
            not calls, f"{location} calls {calls}: use ctx.randn(), ctx.rand() or ctx.uniform()"
        )


def _record_torch_calls(subject: ModelSubject) -> dict[str, _TorchCallRecorder]:
    """Return the calls of each phase in one step of each stage, by the place of its loss. In
    `condition` and `after_step` only Python's and numpy's generators are recorded."""
    recorders: dict[str, _TorchCallRecorder] = {}
    trainer = subject.build_trainer()

    def wrap_phase(phase: Phase) -> Phase:
        recorder = recorders.setdefault(phase_location(phase, trainer.model), _TorchCallRecorder())

        def record(loss: Callable[[StepContext], Any], ctx: StepContext) -> Any:
            with recorder, recorder.watch_generators():
                return loss(ctx)

        def record_other(function: Callable[[StepContext], Any]) -> Callable[[StepContext], Any]:
            def call(ctx: StepContext) -> Any:
                with recorder.watch_generators():
                    return function(ctx)

            return call

        return replace(
            _wrap_loss(phase, record),
            condition=phase.condition and record_other(phase.condition),
            after_step=phase.after_step and record_other(phase.after_step),
        )

    _train_all_steps(trainer, wrap_phase)
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
    """Changes the weights of every optimizer in two steps"""
    before, after = subject.build_trainer(), subject.two_step_trainer.state_dict()
    for name, state in before.optimizers.items():
        changed = any(not torch.equal(p, after[f"model.{n}"]) for n, p in state.params.items())
        require(changed, f"optimizer {name!r} changes no weights: does a phase use it?")


@check("model")
def gradient_accumulation(subject: ModelSubject) -> None:
    """Trains with gradient accumulation and odd micro-batches: it assumes no batch size"""
    trainer = subject.build_trainer(grad_accum_steps=2, batch_size=2 * _ODD_BATCH_SIZE)
    try:
        _train_all_steps(trainer)
    except PluginError as error:
        raise CheckFailed(
            f"it fails with a micro-batch of {_ODD_BATCH_SIZE}, support any batch size: {error}"
        ) from error


@check("model")
def batch_unchanged(subject: ModelSubject) -> None:
    """Does not change the batch, which the next phase receives too"""
    trainer = subject.build_trainer()

    def wrap_phase(phase: Phase) -> Phase:
        def compare(loss: Callable[[StepContext], Any], ctx: StepContext) -> Any:
            before, copies = ctx.batch, ctx.batch.map(Tensor.clone)
            value = loss(ctx)
            changed = _changed_field(ctx.batch, copies) if ctx.batch is before else "batch"
            require(
                not changed,
                f"{phase_location(phase, trainer.model)} changes ctx.{changed}: compute a new "
                "tensor, not in place",
            )
            return value

        return _wrap_loss(phase, compare)

    _train_all_steps(trainer, wrap_phase)


def _changed_field(batch: Batch, copies: Batch, prefix: str = "batch") -> str:
    """Return the dotted name of the first field that differs, or an empty string."""
    for item in fields(batch):
        name, now, before = item.name, getattr(batch, item.name), getattr(copies, item.name)
        if isinstance(now, Batch) and (changed := _changed_field(now, before, f"{prefix}.{name}")):
            return changed
        if isinstance(now, Tensor) and not torch.equal(now, before):
            return f"{prefix}.{name}"
    return ""


_LOSS_KINDS = ("bce", "lsgan", "hinge", "relativistic")


@check("model")
def loss_option_is_used(subject: ModelSubject) -> None:
    """Trains with the loss that `model.loss.kind` names, if it is a GAN"""
    if not issubclass(subject.model_class, GAN) or not hasattr(subject.config.model, "loss"):
        return
    values: dict[str, dict[str, float]] = {}
    for kind in _LOSS_KINDS:
        try:
            model = subject.build_model(config=subject.build_config(loss={"kind": kind}))
            trainer = _train_all_steps(subject.build_trainer(model=model))
        except UsageError:
            continue  # the model refuses this loss, or the preset has options that it lacks
        means = trainer.log.means()
        values[kind] = {key: value for key, value in means.items() if key.startswith("loss/")}
        first, *others = values.values()
        if any(other != first for other in others):
            return
    require(
        len(values) < 2,
        f"the losses of {subject.model_class.__name__!r} are the same for model.loss.kind = "
        f"{' and '.join(values)}: set self.loss = make_loss(config.loss)",
    )


@check("model")
def ranks_agree(subject: ModelSubject) -> None:
    """Has the same weights and buffers on two ranks"""
    batch_size = 2 * ((subject.config.train.batch_size + 1) // 2)

    def train(world: World) -> Model:
        trainer = _train_all_steps(subject.build_trainer(2, world=world, batch_size=batch_size))
        check_buffers_agree(trainer.model, world, trainer.step)
        return trainer.model

    subject.images  # noqa: B018, decoded before the threads start
    first, second = (dict(model.named_parameters()) for model in run_ranks(train))
    differ = [name for name in first if not torch.allclose(first[name], second[name], atol=1e-6)]
    require(
        not differ,
        f"{differ[:1]} differs between two ranks: change weights in `after_step` from values that "
        "are equal on all ranks, such as ctx.all_reduce_mean(x)",
    )


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
