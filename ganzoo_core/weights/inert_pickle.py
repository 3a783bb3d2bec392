"""Read a pickle of another program without running it.

A small machine interprets the opcodes. It knows dicts, lists, tuples, sets, numbers, texts and
bytes. A global is looked up in a table of builders, never imported, and only such a builder is
called. Everything else is refused by name and place.
"""

from __future__ import annotations

import io
import math
import pickletools
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ganzoo_core import limits
from ganzoo_core.errors import WeightsError
from ganzoo_core.files.tensors import check_tensor_shape

Builder = Callable[..., Any]
_INTEGER_BITS = 256
_PUSHED = (
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
"""Opcodes that push their argument."""
_MADE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}
"""Opcodes that push a new value."""


class PickledObject:
    """The base of a record that a builder returns and that a pickle gives its state."""

    def set_state(self, state: Any) -> None:
        """Take the state; raises ValueError or TypeError for another one than expected."""
        raise ValueError("a state for an object without one")


class _Global:
    """A name of a pickle with the builder that stands for it."""

    def __init__(self, build: Builder) -> None:
        self.build = build


def read_inert_pickle(path: Path, builders: Mapping[str, Builder]) -> Any:
    """Return the object of a pickle: plain Python values, tensors, and what the builders return.

    Args:
        path: the file.
        builders: for a global by its dotted name, what its calls return. Those of torch tensors,
            NumPy arrays and OrderedDict are known. A builder gets any arguments, so it checks them,
            and raises ValueError to refuse the file with its message.

    Raises:
        WeightsError: damaged, a limit is exceeded, or a global that is not known.
    """
    try:
        size = path.stat().st_size  # a read of the limit would allocate it
        content = limits.read_bytes(path, min(size, limits.PICKLE_BYTES))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    table = {**_BUILDERS, **builders}
    try:
        return _interpret(content, {name: _Global(build) for name, build in table.items()})
    except (MemoryError, WeightsError):
        raise
    except Exception as error:  # a damaged pickle can have any form, and torch raises any type
        line = next(iter(str(error).splitlines()), "")[:200]
        raise WeightsError(f"{path} is refused, and no code was run: {line}") from None


def _interpret(content: bytes, table: Mapping[str, _Global]) -> Any:
    machine = _Machine(table)
    for count, (opcode, arg, position) in enumerate(pickletools.genops(io.BytesIO(content))):
        if count > limits.PICKLE_OPCODES:
            raise ValueError(f"more than {limits.PICKLE_OPCODES:,} opcodes")
        if isinstance(arg, int) and arg.bit_length() > _INTEGER_BITS:
            raise ValueError(f"an integer of {arg.bit_length():,} bits at byte {position}")
        if opcode.name not in _STEPS:
            raise ValueError(f"the opcode {opcode.name} at byte {position}")
        machine.position = position or 0
        _STEPS[opcode.name](machine, arg)
    return machine.pop()


class _Machine:
    """The stack, the marks and the memo of a pickle."""

    def __init__(self, table: Mapping[str, _Global]) -> None:
        self.table, self.position = table, 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def make(self, _: Any, make: Callable[[], Any]) -> None:
        self.push(make())

    def pop(self) -> Any:
        return self.pop_many(1)[0]

    def pop_many(self, count: int) -> list[Any]:
        start = len(self.stack) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise ValueError(f"the stack is empty at byte {self.position}")
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError(f"no mark at byte {self.position}")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def top(self, kind: type) -> Any:
        if not self.stack:
            raise ValueError(f"the stack is empty at byte {self.position}")
        return _require(self.stack[-1], kind)

    def put(self, index: int | None) -> None:
        value = self.pop()
        self.memo[len(self.memo) if index is None else index] = value
        self.push(value)

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"an unknown memo at byte {self.position}")
        self.push(self.memo[index])

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def set_items(self, items: list[Any]) -> None:
        _update_dict(self.top(dict), items)

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def add(self, items: list[Any]) -> None:
        self.top(set).update(map(_check_key, items))

    def look_up(self, *parts: Any) -> None:
        name = ".".join(_require(part, str) for part in parts)
        if name not in self.table:
            raise ValueError(f"it needs {name[:120]!r} (byte {self.position}), which is refused")
        self.push(self.table[name])

    def call(self) -> None:
        function, args = self.pop_many(2)
        self.push(_require(function, _Global).build(*_require(args, tuple)))

    def build(self) -> None:
        if state := self.pop():
            self.top(PickledObject).set_state(state)


_STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys(_PUSHED, _Machine.push),
    **{name: partial(_Machine.make, make=make) for name, make in _MADE.items()},
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda m, _: None),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda m, _: m.call()),
    "MARK": lambda m, _: m.mark(),
    "POP": lambda m, _: m.pop(),
    "TUPLE": lambda m, _: m.push(tuple(m.pop_mark())),
    "TUPLE1": lambda m, _: m.push(tuple(m.pop_many(1))),
    "TUPLE2": lambda m, _: m.push(tuple(m.pop_many(2))),
    "TUPLE3": lambda m, _: m.push(tuple(m.pop_many(3))),
    "SETITEM": lambda m, _: m.set_items(m.pop_many(2)),
    "SETITEMS": lambda m, _: m.set_items(m.pop_mark()),
    "APPEND": lambda m, _: m.append(m.pop_many(1)),
    "APPENDS": lambda m, _: m.append(m.pop_mark()),
    "ADDITEMS": lambda m, _: m.add(m.pop_mark()),
    "GLOBAL": lambda m, arg: m.look_up(*arg.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.look_up(*m.pop_many(2)),
    "BUILD": lambda m, _: m.build(),
}
"""What each opcode does; every other one is refused."""


def _require(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"a {type(value).__name__} in place of a {kind.__name__}")
    return value


def _check_key(key: Any) -> str | int:
    """Return a key that is cheap to hash; a nested tuple may take forever."""
    if not isinstance(key, str | int):
        raise ValueError(f"a {type(key).__name__} as a key")
    return key


def _update_dict(target: Any, items: list[Any]) -> None:
    if len(items) % 2:
        raise ValueError("a key without a value")
    _require(target, dict).update(
        (_check_key(key), value) for key, value in zip(items[::2], items[1::2], strict=True)
    )


# --- what the known globals build -----------------------------------------------------------------


def _ordered_dict(pairs: Iterable[Any] = ()) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    for pair in _require(pairs, list) if pairs else ():
        _update_dict(out, list(pair))
    return out


def _make_set(items: Any = ()) -> set[Any]:
    return set(map(_check_key, _require(items, list) if items else ()))


def _load_storage(content: Any) -> _Storage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about old formats
        stream = io.BytesIO(_require(content, bytes))
        found = torch.load(stream, map_location="cpu", weights_only=True)
        return _Storage(_require(found, torch.TypedStorage))


class _Storage:
    """The memory of a tensor."""

    def __init__(self, storage: torch.TypedStorage) -> None:
        self.content: Any = storage.untyped()  # type: ignore[no-untyped-call]
        self.dtype = storage.dtype


def _rebuild_tensor(
    storage: Any, offset: Any, size: Any, stride: Any, *ignored: Any
) -> torch.Tensor:
    """Return a tensor that lies inside its storage, and that no other memory shares."""
    content, dtype = _require(storage, _Storage).content, storage.dtype
    numbers = [offset, *_require(size, tuple), *_require(stride, tuple)]
    if not all(type(n) is int and 0 <= n < 2**40 for n in numbers) or len(size) != len(stride):
        raise ValueError("a tensor of an impossible shape")
    check_tensor_shape("a tensor", size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    count, available = math.prod(size), content.nbytes() // dtype.itemsize
    if count and (last >= available or count > available):
        raise ValueError("a tensor that is larger than its data")
    if not count:
        return torch.empty(size, dtype=dtype)
    return torch.empty(0, dtype=dtype).set_(content, offset, size, stride).clone()


def _rebuild_parameter(tensor: Any, *ignored: Any) -> torch.Tensor:
    return _require(tensor, torch.Tensor)  # type: ignore[no-any-return]


class _DType(PickledObject):
    """A NumPy dtype of plain numbers."""

    def __init__(self, code: Any, *ignored: Any) -> None:
        self.code, self.order = _require(code, str), "<"
        if code not in {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}:
            raise ValueError(f"the NumPy type {code[:20]!r}")

    def set_state(self, state: Any) -> None:
        """Take the byte order."""
        self.order = _require(_require(state, tuple)[1], str)

    def numbers(self, content: Any) -> Any:
        """Return an array of the bytes."""
        import numpy as np

        order = self.order if self.order in {"<", ">", "="} else "<"
        return np.frombuffer(_require(content, bytes), np.dtype(order + self.code))


def _numpy_scalar(dtype: Any, content: Any) -> Any:
    (value,) = _require(dtype, _DType).numbers(content).tolist()
    return value


class _Array(PickledObject):
    """A NumPy array; `value` is a tensor once its state is known."""

    value: torch.Tensor | None = None

    def __init__(self, *ignored: Any) -> None:
        pass

    def set_state(self, state: Any) -> None:
        """Take shape, type and bytes."""
        _, shape, dtype, is_fortran, content = _require(state, tuple)
        numbers = _require(dtype, _DType).numbers(content)
        check_tensor_shape("an array", _require(shape, tuple))
        array = numbers.reshape(shape, order="F" if is_fortran else "C")
        self.value = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")).copy())


_BUILDERS: dict[str, Builder] = {
    "collections.OrderedDict": _ordered_dict,
    "builtins.set": _make_set,
    "__builtin__.set": _make_set,
    "torch.storage._load_from_bytes": _load_storage,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "numpy.dtype": _DType,
    "numpy.ndarray": _Array,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy._core.multiarray._reconstruct": _Array,
}
