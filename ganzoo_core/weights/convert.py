"""Read checkpoints of other programs: .pt, .pth and .safetensors, without running code in them."""

from __future__ import annotations

import argparse
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core import limits
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors
from ganzoo_core.files.tensors import check_tensor_shape
from ganzoo_core.interfaces import ConvertedCheckpoint, Model

_STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model")
"""Keys under which checkpoints usually store a state dict."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return every tensor of a .safetensors, .pt or .pth file by its dotted path.

    Raises:
        WeightsError: the file is missing, damaged or compressed, or holds Python objects.
    """
    if not path.is_file():
        raise WeightsError(f"{path} does not exist, or is not a file")
    if path.suffix == ".safetensors":
        return _unwrap_state_dict(load_tensors(path)[0])
    _check_not_compressed(path)
    try:
        safe = torch.serialization.safe_globals([argparse.Namespace])  # the options of scripts
        with warnings.catch_warnings(), safe:
            warnings.simplefilter("ignore")  # torch warns about old formats
            found = torch.load(path, map_location="cpu", weights_only=True)
        state = _unwrap_state_dict(found) if isinstance(found, Mapping) else {}
    except MemoryError:
        raise
    except Exception as error:  # torch and its unpickler raise any type on damaged bytes
        raise WeightsError(f"{path} {_describe_load_error(error)}") from None
    if not state:
        raise WeightsError(f"{path} holds no named tensors: give the file of a state dict")
    for name, tensor in state.items():
        _check_dense(path, name, tensor)
    return state


def _check_not_compressed(path: Path) -> None:
    """Refuse a zip that is larger unpacked (a zip bomb): torch stores its tensors uncompressed."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
            if len(members) > limits.TENSORS + 10:
                raise ValueError(f"{len(members):,} files")
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise WeightsError(f"{path} is damaged ({error})") from None
    is_compressed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if is_compressed or sum(member.file_size for member in members) > path.stat().st_size:
        raise WeightsError(f"{path} is a compressed archive: torch writes no such checkpoint")


def _describe_load_error(error: Exception) -> str:
    text = str(error)
    if found := re.search(r"(?:GLOBAL|class|function|type)\W+([\w.]+\.[\w.]+)", text):
        return f"holds Python objects beside tensors ({found[1]}): refused, no code was run"
    line = next(iter(text.splitlines()), "")
    return f"is damaged, or not a torch checkpoint ({type(error).__name__}: {line[:120]})"


def _check_dense(path: Path, name: str, tensor: Tensor) -> None:
    """Refuse a tensor that is sparse or quantized, or larger than its storage."""
    is_dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not is_dense or tensor.is_quantized:
        raise WeightsError(f"{path}: {name!r} is sparse, quantized or without data: not supported")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise WeightsError(f"{path}: {name!r} is larger than its data")


def _unwrap_state_dict(state: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Return the tensors of nested dicts by dotted path, without wrappers such as `state_dict`."""
    for key in _STATE_DICT_KEYS:
        inner = state.get(key)
        if isinstance(inner, Mapping) and any(isinstance(v, Tensor) for v in inner.values()):
            return _unwrap_state_dict(inner)
    flat = _flatten_tensors(state)
    while flat and all(name.startswith("module.") for name in flat):  # DataParallel's
        flat = {name.removeprefix("module."): tensor for name, tensor in flat.items()}
    return flat


def _flatten_tensors(state: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Return the tensors of nested dicts by dotted path.

    Raises:
        ValueError: a limit is exceeded: a dict that occurs many times is counted each time.
    """
    flat: dict[str, Tensor] = {}
    num_entries, pending = 0, [("", state, 0)]
    while pending:
        prefix, mapping, depth = pending.pop()
        num_entries += len(mapping)
        if num_entries > limits.CHECKPOINT_ENTRIES:
            raise ValueError(f"more than {limits.CHECKPOINT_ENTRIES:,} entries")
        if depth > limits.CHECKPOINT_NESTING:
            raise ValueError(f"dicts are nested more than {limits.CHECKPOINT_NESTING} deep")
        for key, value in mapping.items():
            if not isinstance(key, str | int) or not isinstance(value, Tensor | Mapping):
                continue
            path = f"{prefix}.{key}" if prefix else str(key)
            check_tensor_shape(path, value.shape if isinstance(value, Tensor) else ())
            if isinstance(value, Tensor):
                flat[path] = value.detach()
            else:
                pending.append((path, value, depth + 1))
    if len(flat) > limits.TENSORS:
        raise ValueError(f"{len(flat):,} tensors, more than {limits.TENSORS:,}")
    return flat


def convert_state_dict(
    cls: type[Model], state: Mapping[str, Tensor], path: Path
) -> ConvertedCheckpoint:
    """Return `cls.convert_checkpoint(state)`.

    Raises:
        WeightsError: the checkpoint has another architecture; the message names what is missing.
    """
    try:
        return cls.convert_checkpoint(state)
    except KeyError as error:
        reason = f"{error.args[0]!r} is missing"
    except (ValueError, IndexError) as error:
        reason = str(error)
    raise WeightsError(f"{cls.__name__} cannot convert the checkpoint {path}: {reason}")
