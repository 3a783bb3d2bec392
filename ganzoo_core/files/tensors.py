"""Tensors in safetensors files: reproducible bytes when written, strict checks when read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganzoo_core import limits
from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files.atomic_write import NO_SPACE, atomic_path
from ganzoo_core.files.typed import parse_json

_METADATA_KEY = "ganzoo"
"""The only metadata key: with two, their order in the header is random."""
_HALF_DTYPES = (torch.float16, torch.bfloat16)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Any = None) -> None:
    """Write tensors atomically; channels_last tensors are stored as contiguous.

    Args:
        path: the file.
        tensors: by name.
        metadata: JSON value for the header.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    contiguous = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    header_metadata = {_METADATA_KEY: json.dumps(metadata, sort_keys=True)}
    with atomic_path(path) as part:
        part.touch()
        mode = part.stat().st_mode  # safetensors creates files that only the owner can read
        try:
            save_file(contiguous, part, header_metadata)
            part.chmod(mode)
        except SafetensorError as error:
            full = "space" in str(error).lower()
            why = NO_SPACE if full else error
            raise OutputError(f"cannot write {path}: {why}") from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read all tensors, memory-mapped, and the header's JSON value.

    Raises:
        WeightsError: the file is missing, truncated or no safetensors file.
    """
    if not path.exists():
        raise WeightsError(f"{path} does not exist")
    try:
        _check_header(path)
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_METADATA_KEY, "null")
            metadata: Any = parse_json(text, object, allow_nonfinite=True)
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise WeightsError(f"{path} is truncated or damaged ({why})") from None


def _check_header(path: Path) -> None:
    """Check the header against the limits, before a tensor is made.

    A name that occurs twice is refused: safetensors silently reads the last one.

    Raises:
        ValueError: a duplicate, or a limit is exceeded.
    """

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(limits.TENSOR_HEADER_BYTES, path.stat().st_size):
            raise ValueError(f"a header of {length:,} bytes")
        header = parse_json(file.read(length).decode(), dict[str, Any])
    if len(header) > limits.TENSORS:
        raise ValueError(f"{len(header):,} tensors, more than {limits.TENSORS:,}")
    for name, record in header.items():
        if name != "__metadata__":
            check_tensor_shape(name, record["shape"])


def check_tensor_shape(name: str, shape: Sequence[int]) -> None:
    """Raise ValueError if the name or the shape of a tensor exceeds the limits."""
    if len(name) > limits.TENSOR_NAME_LENGTH or len(shape) > limits.TENSOR_DIMENSIONS:
        raise ValueError(f"{name[:40]!r} has {len(name):,} characters, {len(shape)} dimensions")
    if 0 in shape and max(shape) > limits.EMPTY_TENSOR_SIZE:
        raise ValueError(f"{name!r} has shape {tuple(shape)} and no elements")


def check_state_dict(
    target: Mapping[str, Tensor], source: Mapping[str, Tensor], path: Path
) -> None:
    """Check that `source` has the names, shapes and dtypes of `target`; half floats fit any float.

    Args:
        target: the tensors of the model.
        source: the tensors of a file.
        path: the file, for the message.

    Raises:
        WeightsError: with the first difference.
    """
    for reason in state_dict_differences(target, source).values():
        raise WeightsError(f"{path} belongs to another model or preset: {reason}")


def state_dict_differences(
    target: Mapping[str, Tensor], source: Mapping[str, Tensor]
) -> dict[str, str]:
    """Return why each tensor that `check_state_dict` refuses does not fit, by name."""
    reasons = {name: f"it lacks {name!r}" for name in sorted(set(target) - set(source))}
    for name in sorted(set(source) - set(target)):
        reasons[name] = f"it has {name!r}, which the model lacks"
    for name in (name for name in target if name in source):
        expected, found = target[name], source[name]
        is_half = expected.is_floating_point() and found.dtype in _HALF_DTYPES
        if expected.shape != found.shape:
            reasons[name] = (
                f"{name!r} has shape {tuple(found.shape)}, the model's has {tuple(expected.shape)}"
            )
        elif expected.dtype != found.dtype and not is_half:
            reason = f"{name!r} is {found.dtype}, the model's is {expected.dtype}"
            reasons[name] = reason.replace("torch.", "")
    return reasons


def cast_to_target_dtypes(
    target: Mapping[str, Tensor], source: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return `source` in the dtypes of `target`; tensors of equal dtype are not copied."""
    return {name: source[name].to(tensor.dtype) for name, tensor in target.items()}


def copy_state_dict(target: Mapping[str, Tensor], source: Mapping[str, Tensor], path: Path) -> None:
    """Copy values into existing tensors in place, so that their strides stay (no `assign=True`).

    Raises:
        WeightsError: names, shapes or dtypes differ.
    """
    check_state_dict(target, source, path)
    for name, tensor in target.items():
        tensor.detach().copy_(source[name])
