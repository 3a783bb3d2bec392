"""The check of exact resume, which looks at plain attributes too."""

from __future__ import annotations

import hashlib
import inspect
import random
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganzoo_core.engine import Trainer
from ganzoo_core.interfaces import Model
from ganzoo_core.testing.checks.framework import check, require
from ganzoo_core.testing.subject import ModelSubject

_MODULE_ATTRIBUTES = {*vars(nn.Module())}
_CORE_ATTRIBUTES = {"config", "info", "auxiliaries"}
_REMEDY = "keep what training changes in a Parameter or a persistent buffer"


@check("model", "composition")
def resume_is_exact(subject: ModelSubject) -> None:
    """Resumes bit-exactly, long after a checkpoint too, and keeps no state in plain attributes"""
    lengths = {stage.name: _stage_length(stage) for stage in subject.build_model().stages()}
    straight = subject.build_trainer(lengths)
    with tempfile.TemporaryDirectory() as folder:
        resumed = subject.build_trainer(lengths)
        for scheduled in straight.plan.stages:
            _train_until(straight, scheduled.end)
            _train_until(resumed, scheduled.start + 1)
            resumed = _save_and_restore(subject, resumed, lengths, Path(folder))
            _train_until(resumed, scheduled.end)
            _compare(straight, resumed)
            resumed = _save_and_restore(subject, resumed, lengths, Path(folder))


def _stage_length(stage: Any) -> int:
    """Return the steps of a stage: one before the stop, and two more than its longest interval
    after it, so that a lazy phase runs on both sides."""
    return 1 + max((phase.interval for phase in stage.phases), default=1) + 2


def _train_until(trainer: Trainer, step: int) -> None:
    while trainer.step < step:
        trainer.train_step(trainer.plan.stage_at(trainer.step))


def _save_and_restore(
    subject: ModelSubject, trainer: Trainer, lengths: Mapping[str, int], folder: Path
) -> Trainer:
    """Return a new Trainer that continues from a checkpoint of this one."""
    trainer.save(folder)
    restored = subject.build_trainer(lengths)
    restored.restore(folder)
    return restored


def _compare(straight: Trainer, resumed: Trainer) -> None:
    """Compare attributes, then buffers that are not saved, then the training state."""
    expected, actual = (dict(_plain_attributes(t.model)) for t in (straight, resumed))
    for name in sorted({*expected, *actual}):
        require(
            expected.get(name) == actual.get(name),
            f"attribute {name!r} of {type(straight.model).__name__!r} differs after a resume, "
            f"since no checkpoint has it: {_REMEDY}",
        )
    saved = straight.model.state_dict()
    buffers = dict(resumed.model.named_buffers())
    for name, buffer in straight.model.named_buffers():
        require(
            name in saved or _same_bits(buffer, buffers[name]),
            f"buffer {name!r} differs after a resume: register it with persistent=True",
        )
    state, other = straight.state_dict(), resumed.state_dict()
    differ = [name for name in state if not _same_bits(state[name], other[name])]
    require(not differ, f"{differ[:1]} differs after a resume: {_REMEDY}")


def _same_bits(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())


def _plain_attributes(model: Model) -> Iterator[tuple[str, str]]:
    """Yield what the modules hold besides parameters, buffers and submodules: the dotted name and a
    digest of each value."""
    visited = {id(module) for module in model.modules()}
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            is_own = name not in _MODULE_ATTRIBUTES
            if is_own and not (module is model and name in _CORE_ATTRIBUTES):
                yield from _digests(f"{prefix}.{name}" if prefix else name, value, visited)


def _digests(name: str, value: Any, visited: set[int]) -> Iterator[tuple[str, str]]:
    """Yield (name, digest) of a value and of what it holds; functions and types have no state."""
    if (digest := _own_digest(value)) is not None:
        yield name, digest
    elif id(value) in visited or isinstance(value, type) or inspect.isroutine(value):
        return
    elif isinstance(value, Mapping):
        visited.add(id(value))
        yield name, f"{len(value)} keys"
        for index, (key, item) in enumerate(value.items()):
            label = key if isinstance(key, str | int | float | tuple) else index
            yield from _digests(f"{name}[{label!r}]", item, visited)
    elif isinstance(value, list | tuple | deque):
        visited.add(id(value))
        yield name, f"{len(value)} items"
        for index, item in enumerate(value):
            yield from _digests(f"{name}[{index}]", item, visited)
    else:
        visited.add(id(value))
        is_module = isinstance(value, nn.Module)  # in a list, so that it is no submodule
        attributes = value.state_dict() if is_module else getattr(value, "__dict__", {})
        for key, item in attributes.items():
            yield from _digests(f"{name}.{key}", item, visited)


def _own_digest(value: Any) -> str | None:
    """Return the digest of a value that holds no others, or None."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    return next((digest(value) for cls, digest in _DIGESTS if isinstance(value, cls)), None)


def _tensor_digest(tensor: Tensor) -> str:
    array = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return f"{tensor.dtype} {list(tensor.shape)} {_hash(array.tobytes())}"


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_DIGESTS: list[tuple[type, Callable[[Any], str]]] = [
    (Tensor, _tensor_digest),
    (np.ndarray, lambda value: f"{value.dtype} {value.shape} {_hash(value.tobytes())}"),
    (np.generic, repr),
    (set, lambda value: repr(sorted(map(repr, value)))),
    (random.Random, lambda value: _hash(repr(value.getstate()).encode())),
    (torch.Generator, lambda value: _tensor_digest(value.get_state())),
    (np.random.Generator, lambda value: _hash(repr(value.bit_generator.state).encode())),
]
"""The digest of a value of a type that holds no others."""
