"""Checks that a model keeps the contract of the engine: an author's mistake is one line with the
file and the line of the function that made it."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import CodeType
from typing import Any, get_args

import torch
from torch import Tensor, nn

from ganzoo_core.engine.world import World
from ganzoo_core.errors import GanzooError, PluginError, UsageError, suggest
from ganzoo_core.interfaces import Batch, Model, Phase, Stage
from ganzoo_core.interfaces.batch import SamplerName

_BATCH_FIELDS = {f.name for f in fields(Batch)} - {"size", "target", "extra"}
_RELATIVE_TOLERANCE = 1e-4
"""Of float buffers over the ranks: kernels may round differently on two GPUs."""


def source_location(function: Any) -> str:
    """Return where a function, method, partial or callable object is defined, ``model.py:123``."""
    code = _code_of(function)
    if code is None:
        return getattr(function, "__name__", type(function).__name__)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"


def _code_of(function: Any) -> CodeType | None:
    """Return the code of what a function, method, partial or callable object wraps."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = inspect.unwrap(function)
        elif inspect.ismethod(function):
            function = function.__func__
        else:
            break
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(vars(type(function)).get("__call__"), "__code__", None)
    return code


def phase_location(phase: Phase, model: nn.Module) -> str:
    """Return ``phase 'g' of 'DCGAN' (model.py:123)``, the place of its loss."""
    return f"phase {phase.name!r} of {type(model).__name__!r} ({source_location(phase.loss)})"


def check_stages(model: Model, stages: Sequence[Stage], optimizers: Collection[str]) -> None:
    """Check the samplers, fields and optimizers that the stages name.

    Raises:
        PluginError: there is no such sampler, field or optimizer.
    """
    for stage in stages:
        location = (
            f"stage {stage.name!r} of {type(model).__name__!r} ({source_location(model.stages)})"
        )
        samplers = get_args(SamplerName)
        if stage.batch.sampler not in samplers:
            hint = suggest(str(stage.batch.sampler), samplers)
            raise PluginError(f"{location}: there is no sampler {stage.batch.sampler!r}.{hint}")
        for name in stage.batch.fields:
            if name not in _BATCH_FIELDS:
                hint = suggest(str(name), _BATCH_FIELDS)
                raise PluginError(f"{location}: a batch has no field {name!r}.{hint}")
        for phase in stage.phases:
            if phase.optimizer not in optimizers:
                raise PluginError(
                    f"{phase_location(phase, model)}: configure_optimizers() has no optimizer "
                    f"{phase.optimizer!r}.{suggest(str(phase.optimizer), optimizers)}"
                )


def check_loss(loss: Any, phase: Phase, model: Model) -> None:
    """Check what a loss returned, without a device sync.

    Raises:
        PluginError: it is not a 0-d floating point tensor with a gradient.
    """
    if not isinstance(loss, Tensor):
        problem = f"the loss is of type {type(loss).__name__}, it must be a 0-d tensor"
    elif not loss.is_floating_point():
        problem = f"the loss has dtype {_dtype_name(loss)}, it must be floating point"
    elif loss.dim():
        problem = f"the loss has shape {list(loss.shape)}, it must be 0-d: return its mean"
    elif not loss.requires_grad:
        problem = (
            "the loss has no gradient: compute it from the networks of the optimizer "
            f"{phase.optimizer!r}, without detach() or no_grad()"
        )
    else:
        return
    raise PluginError(f"{phase_location(phase, model)}: {problem}")


@contextmanager
def locate_errors(phase: Phase, model: Model) -> Iterator[None]:
    """Convert an exception of a phase's own code to one line with its place.

    Raises:
        PluginError: with the exception as its cause.
    """
    try:
        yield
    except (GanzooError, OSError, MemoryError):
        raise
    except Exception as error:
        if "OutOfMemory" in type(error).__name__ or "not enough memory" in str(error):
            raise
        reason = f"{type(error).__name__}{_line_of_error(error, phase.loss)}: {error}"
        raise PluginError(
            f"{phase_location(phase, model)}: {reason.splitlines()[0].rstrip('.')}; run again with "
            "GANZOO_DEBUG=1 for the traceback"
        ) from error


def _line_of_error(error: Exception, function: Any) -> str:
    """Return `` at model.py:130``, the innermost line in the file of a function, or nothing."""
    code, line = _code_of(function), ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        if code is not None and frame.f_code.co_filename == code.co_filename:
            line = f" at {Path(code.co_filename).name}:{number}"
    return line


def check_logged_value(name: str, value: Any) -> None:
    """Check a value of `ctx.log`.

    Raises:
        PluginError: it is not a 0-d tensor.
    """
    if not isinstance(value, Tensor):
        raise PluginError(f"ctx.log: {name!r} is of type {type(value).__name__}, not a 0-d tensor")
    if value.dim():
        raise PluginError(
            f"ctx.log: {name!r} has shape {list(value.shape)}, it must be 0-d: log its mean"
        )


def _dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def running_statistics(model: nn.Module) -> dict[str, Tensor]:
    """Return the running means and variances of the normalization layers by name: each rank
    computes them from its own part of the batch."""
    return {
        f"{name}.{key}" if name else key: getattr(module, key)
        for name, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._NormBase)
        for key in ("running_mean", "running_var")
        if getattr(module, key) is not None
    }


@torch.no_grad()
def check_buffers_agree(model: nn.Module, world: World, step: int) -> None:
    """Check that every buffer but running statistics has the same values on all ranks.

    Args:
        model: the model.
        world: the ranks.
        step: the number of steps so far, for the message.

    Raises:
        UsageError: a buffer differs; on all ranks.
    """
    if world.size < 2:
        return
    averaged = running_statistics(model)
    buffers = {name: b for name, b in model.named_buffers() if name not in averaged}
    first_rank = {name: buffer.clone() for name, buffer in buffers.items()}
    world.broadcast_([*first_rank.values()])
    flags = {name: _differs(buffers[name], first_rank[name]) for name in buffers}
    for name, differs in world.any_of_each_rank(flags).items():
        if differs:
            raise UsageError(
                f"buffer {name!r} of {type(model).__name__!r} differs between the ranks after step "
                f"{step}: update it from values of all ranks, ctx.all_gather_rows(x) or "
                "ctx.all_reduce_mean(x)"
            )


def _differs(a: Tensor, b: Tensor) -> bool:
    if a.is_floating_point():
        return not torch.allclose(a, b, rtol=_RELATIVE_TOLERANCE, atol=1e-6, equal_nan=True)
    return not torch.equal(a, b)


def scheduler_notice(
    schedulers: Mapping[str, str], previous: Mapping[str, Any], total_steps: int
) -> str:
    """Return one line if a resumed run has another total of steps under a scheduler that depends on
    it, else an empty string.

    Args:
        schedulers: the schedulers of the run by the option that sets them.
        previous: the record of the checkpoint.
        total_steps: of the resumed run.
    """
    before = previous.get("total_steps", total_steps)
    dependent = [f"{key} = {name}" for key, name in schedulers.items() if name != "constant"]
    if not dependent or before == total_steps:
        return ""
    return (
        f"{dependent[0]} depends on the total number of steps, {before} until "
        f"now and {total_steps} from here: this is another run than one of {total_steps} steps "
        "from the start"
    )
