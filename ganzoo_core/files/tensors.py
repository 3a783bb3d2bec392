"""Tensors in safetensors files: byte-reproducible out, strictly checked in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files.atomic import atomic

KEY = "ganzoo"
"""The one metadata key: with two, the order of keys in the header is random."""
LARGEST = 16 * 2**20
"""Bytes of a header; a network of ten thousand tensors has one."""
HALF = (torch.float16, torch.bfloat16)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Any = None) -> None:
    """Write tensors atomically; channels_last ones are stored contiguous.

    Args:
        about: JSON value for the header.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    metadata = {KEY: json.dumps(about, sort_keys=True)}
    with atomic(path) as part:
        part.touch()
        mode = part.stat().st_mode  # safetensors makes files that only their owner may read
        try:
            save_file(plain, part, metadata)
            part.chmod(mode)
        except SafetensorError as error:
            full = "space" in str(error).lower()
            why = "no space left on the disk; free some and run `ganzoo resume`" if full else error
            raise OutputError(f"cannot write {path}: {why}") from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read all tensors, memory-mapped, and the header's JSON value.

    Raises:
        WeightsError: the file is missing, truncated or no safetensors file.
    """
    if not path.exists():
        raise WeightsError(f"{path} does not exist")
    try:
        refuse_twins(path)
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(KEY, "null"))
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is truncated or damaged ({one_line(error)})") from None


def refuse_twins(path: Path) -> None:
    """Refuse a header with a name twice, of which safetensors would silently take the last.

    Raises:
        ValueError: also for a header that is longer than `LARGEST` or the file.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            raise ValueError("a name stands twice in its header")
        return table

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(LARGEST, path.stat().st_size):
            raise ValueError(f"a header of {length:,} bytes")
        json.loads(file.read(length), object_pairs_hook=once)


def one_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def check_fit(target: Mapping[str, Tensor], source: Mapping[str, Tensor], where: Path) -> None:
    """Check that values fit tensors in names, shapes and types; narrow floats fit wide ones.

    Raises:
        WeightsError: one line names the first difference.
    """
    other = f"{where} belongs to another model or preset"
    missing, extra = sorted(set(target) - set(source)), sorted(set(source) - set(target))
    if missing or extra:
        what = f"lacks {missing[0]!r}" if missing else f"has {extra[0]!r}, which the model lacks"
        raise WeightsError(f"{other}: it {what}")
    for name, tensor in target.items():
        found = source[name]
        if tensor.shape != found.shape:
            raise WeightsError(
                f"{other}: {name!r} has shape {tuple(found.shape)}, the model's has "
                f"{tuple(tensor.shape)}"
            )
        if tensor.dtype != found.dtype and not (tensor.is_floating_point() and found.dtype in HALF):
            raise WeightsError(
                f"{other}: {name!r} is {found.dtype}, the model's is {tensor.dtype}".replace(
                    "torch.", ""
                )
            )


def widened(target: Mapping[str, Tensor], source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return values in the types of the tensors they are for; equal types are not copied."""
    return {name: source[name].to(tensor.dtype) for name, tensor in target.items()}


def copy_strictly(target: Mapping[str, Tensor], source: Mapping[str, Tensor], where: Path) -> None:
    """Copy values into existing tensors, so that their strides stay (never `assign=True`).

    Raises:
        WeightsError: names, shapes or types differ; one line names the first difference.
    """
    check_fit(target, source, where)
    for name, tensor in target.items():
        tensor.detach().copy_(source[name])
