"""Tensors in safetensors files: byte-reproducible out, strictly checked in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganzoo_core.errors import OutputError, WeightsError
from ganzoo_core.files.atomic import atomic

KEY = "ganzoo"
"""The one metadata key: with two, the order of keys in the header is random."""


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
        try:
            save_file(plain, part, metadata)
        except SafetensorError as error:
            full = "space" in str(error).lower()
            why = "no space left on the disk; free some and run `ganzoo resume`" if full else error
            raise OutputError(f"cannot write {path}: {why}") from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read all tensors and the header's JSON value.

    Raises:
        WeightsError: the file is missing, truncated or no safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(KEY, "null"))
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is truncated or damaged ({error})") from None


def copy_strictly(target: Mapping[str, Tensor], source: Mapping[str, Tensor], where: Path) -> None:
    """Copy values into existing tensors, so that their strides stay (never `assign=True`).

    Raises:
        WeightsError: names or shapes differ; one line names the first difference.
    """
    missing, extra = sorted(set(target) - set(source)), sorted(set(source) - set(target))
    if missing or extra:
        what = f"lacks {missing[0]!r}" if missing else f"has {extra[0]!r}, which the model lacks"
        raise WeightsError(f"{where} belongs to another model or preset: it {what}")
    for name, tensor in target.items():
        if tensor.shape != source[name].shape:
            raise WeightsError(
                f"{where} belongs to another model or preset: {name!r} has shape "
                f"{tuple(source[name].shape)}, the model's has {tuple(tensor.shape)}"
            )
    for name, tensor in target.items():
        tensor.detach().copy_(source[name])
