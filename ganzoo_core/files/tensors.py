"""Tensors in safetensors files: reproducible bytes when written, strict checks when read."""

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
from ganzoo_core.files.atomic_write import atomic_path
from ganzoo_core.files.typed import parse_json

_METADATA_KEY = "ganzoo"
"""The only metadata key: with two, their order in the header is random."""
_MAX_HEADER_BYTES = 16 * 2**20
"""Maximum size of a header; a network of ten thousand tensors has 1 MiB."""
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
        _reject_duplicate_names(path)
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_METADATA_KEY, "null")
            metadata: Any = parse_json(text, object, allow_nonfinite=True)
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise WeightsError(f"{path} is truncated or damaged ({why})") from None


def _reject_duplicate_names(path: Path) -> None:
    """Check for a name that occurs twice in the header: safetensors silently reads the last one.

    Raises:
        ValueError: a duplicate, or a header that is longer than `_MAX_HEADER_BYTES` or the file.
    """

    def unique_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            raise ValueError("a name occurs twice in its header")
        return table

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(_MAX_HEADER_BYTES, path.stat().st_size):
            raise ValueError(f"a header of {length:,} bytes")
        json.loads(file.read(length), object_pairs_hook=unique_dict)


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
    other = f"{path} belongs to another model or preset"
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
        if tensor.dtype != found.dtype and not (
            tensor.is_floating_point() and found.dtype in _HALF_DTYPES
        ):
            raise WeightsError(
                f"{other}: {name!r} is {found.dtype}, the model's is {tensor.dtype}".replace(
                    "torch.", ""
                )
            )


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
