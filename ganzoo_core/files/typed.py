"""Read JSON, JSONL and TOML back: every file is checked against a pydantic model or type.

A file may have been damaged, edited or sent by a stranger. One function for each format reads it
with a limit of bytes and depth, refuses what is not UTF-8, not finite or written twice, and raises
one line: what is wrong, where, and what to do.

`ganzoo_core.zoo.registry` checks its rows by hand, because `ganzoo list` reads them and imports no
pydantic.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ganzoo_core import limits
from ganzoo_core.errors import GanzooError, UsageError, WeightsError

_MAX_INTEGER = 2**64
_MAX_REASON_LENGTH = 200
_TOO_DEEP = f"nested more than {limits.JSON_NESTING} deep"

_T = TypeVar("_T")


def read_json(
    path: Path,
    schema: type[_T],
    *,
    error: type[GanzooError] = WeightsError,
    remedy: str = "",
    max_bytes: int = limits.INDEX_BYTES,
    allow_nonfinite: bool = False,
) -> _T:
    """Read a JSON file.

    Args:
        path: the file.
        schema: a pydantic model, or any type that pydantic can check; values are not converted.
        error: the class of the error; its exit code is that of the command.
        remedy: ends the message, such as "run `ganzoo evaluate` again".
        max_bytes: a longer file is refused.
        allow_nonfinite: whether NaN and Infinity may occur.

    Raises:
        error: missing, not a plain file, too long, not JSON, or not of the schema.
    """
    with _one_line(path, error, remedy):
        text = limits.read_bytes(path, max_bytes).decode()
        return parse_json(text, schema, allow_nonfinite=allow_nonfinite)


def read_toml(
    path: Path,
    schema: type[_T],
    *,
    error: type[GanzooError] = WeightsError,
    remedy: str = "",
    max_bytes: int = limits.INDEX_BYTES,
) -> _T:
    """Read a TOML file; arguments and errors as in `read_json`."""
    with _one_line(path, error, remedy):
        return parse_toml(limits.read_bytes(path, max_bytes).decode(), schema)


def read_jsonl(
    path: Path,
    schema: type[_T],
    *,
    error: type[GanzooError] = WeightsError,
    remedy: str = "",
    max_bytes: int = limits.LOG_BYTES,
) -> list[tuple[str, _T | None]]:
    """Read a log with one JSON value a line: each line, and its value or None.

    A crash may cut the last line off, so a line that is not of the schema is no error. NaN and
    Infinity are allowed: a loss that diverged is logged.

    Raises:
        error: missing, not a plain file, or too long.
    """
    with _one_line(path, error, remedy):
        lines = limits.read_bytes(path, max_bytes).decode(errors="replace").splitlines()
    return [(line, _parse_line(line, schema)) for line in lines]


def parse_json(text: str, schema: type[_T], *, allow_nonfinite: bool = False) -> _T:
    """Return the value of JSON text.

    Raises:
        ValueError: not JSON, not of the schema, a key that occurs twice, NaN or Infinity, a number
            of more than 64 bits, or nested deeper than `limits.JSON_NESTING`.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique_dict)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    found: _T = _validate(value, schema, allow_nonfinite)
    return found


def parse_toml(text: str, schema: type[_T]) -> _T:
    """Return the value of TOML text; raises as `parse_json` does."""
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    found: _T = _validate(value, schema)
    return found


@contextmanager
def _one_line(path: Path, error: type[GanzooError], remedy: str) -> Iterator[None]:
    """Raise what goes wrong inside as `error`."""
    ending = f": {remedy}" if remedy else ""
    try:
        yield
    except OSError as os_error:
        reason = os_error.strerror or str(os_error)
        raise error(f"{path} cannot be read: {reason}{ending}") from None
    except ValueError as problem:
        state = "is not valid" if error is UsageError else "is damaged"
        raise error(f"{path} {state} ({error_reason(problem)}){ending}") from None


def error_reason(error: ValueError) -> str:
    """Return the first problem of an error on one short line."""
    text = str(error)
    if isinstance(error, UnicodeError):
        text = "it is not UTF-8 text"
    elif isinstance(error, ValidationError):
        problem = error.errors(include_input=False, include_url=False)[0]
        text = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}".removeprefix(": ")
    return next(iter(text.splitlines()), type(error).__name__)[:_MAX_REASON_LENGTH]


@lru_cache(maxsize=64)
def _adapter(schema: Any) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


def _validate(value: Any, schema: Any, allow_nonfinite: bool = False) -> Any:
    for item in walk(value):
        if isinstance(item, float) and not (allow_nonfinite or math.isfinite(item)):
            raise ValueError(f"{item} is not a finite number")
        if isinstance(item, int) and abs(item) >= _MAX_INTEGER:
            raise ValueError("an integer of more than 64 bits")
        if isinstance(item, str) and not item.isascii():
            item.encode()  # half of a surrogate pair cannot be printed or written
    return _adapter(schema).validate_python(value, strict=True)


def walk(value: Any) -> Iterator[Any]:
    """Yield a value, and every key and item of the tables and lists in it.

    Raises:
        ValueError: nested deeper than `limits.JSON_NESTING`.
    """
    level = [value]
    for _ in range(limits.JSON_NESTING + 1):
        inner: list[Any] = []
        for item in level:
            yield item
            if isinstance(item, dict):
                yield from item
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        if not inner:
            return
        level = inner
    raise ValueError(_TOO_DEEP)


def _unique_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"duplicate key {twice!r}")
    return table


def _parse_line(line: str, schema: type[_T]) -> _T | None:
    try:
        return parse_json(line, schema, allow_nonfinite=True)
    except ValueError:
        return None
