"""Checkpoints from elsewhere: .pt and .pth read without running what is in them."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors
from ganzoo_core.interfaces import Imported, Model

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which people put a state dict beside other things."""
DEEPEST = 16
"""Tables inside one another."""


def read_foreign(path: Path) -> dict[str, Tensor]:
    """Read every tensor of a .safetensors, .pt or .pth file, by its dotted path.

    Raises:
        WeightsError: missing, damaged, compressed, or holding Python objects beside tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path} does not exist, or is no file")
    if path.suffix == ".safetensors":
        return unwrapped(load_tensors(path)[0])
    refuse_bomb(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice on formats of long ago
            found = torch.load(path, map_location="cpu", weights_only=True)
        state = unwrapped(found) if isinstance(found, Mapping) else {}
    except MemoryError:
        raise
    except Exception as error:  # torch and its unpickler raise whatever the bytes make them raise
        raise WeightsError(f"{path} {complaint(error)}") from None
    if not state:
        raise WeightsError(f"{path} holds no named tensors: give a file of a state dict")
    for name, tensor in state.items():
        check_dense(path, name, tensor)
    return state


def refuse_bomb(path: Path) -> None:
    """Refuse a zip that would be larger unpacked: torch stores its tensors uncompressed."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise WeightsError(f"{path} is damaged ({error})") from None
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or sum(member.file_size for member in members) > path.stat().st_size:
        raise WeightsError(f"{path} is a compressed archive, which no checkpoint of torch is")


def complaint(error: Exception) -> str:
    """Say in a few words why torch refused a file."""
    text = str(error)
    if found := re.search(r"(?:GLOBAL|class|function|type)\W+([\w.]+\.[\w.]+)", text):
        return f"holds Python objects beside tensors ({found[1]}): refused, nothing was run"
    line = next(iter(text.splitlines()), "")
    return f"is damaged, or no checkpoint of torch ({type(error).__name__}: {line[:120]})"


def check_dense(path: Path, name: str, tensor: Tensor) -> None:
    """Refuse a tensor that is larger than the bytes behind it, or not made of plain numbers."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.is_quantized:
        raise WeightsError(f"{path}: {name!r} is sparse, quantised or without data: not supported")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise WeightsError(f"{path}: {name!r} is larger than its data")


def unwrapped(state: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Return the tensors of a table by dotted path, without the wrappers people put around them."""
    for word in WRAPPERS:
        inner = state.get(word)
        if isinstance(inner, Mapping) and any(isinstance(v, Tensor) for v in inner.values()):
            return unwrapped(inner)
    flat = dict(leaves(state))
    while flat and all(name.startswith("module.") for name in flat):  # DataParallel's
        flat = {name.removeprefix("module."): tensor for name, tensor in flat.items()}
    return flat


def leaves(table: Mapping[Any, Any], at: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested tables by dotted path."""
    if depth > DEEPEST:
        raise ValueError("tables too deep inside one another")
    for key, value in table.items():
        path = f"{at}.{key}" if at else str(key)
        if isinstance(value, Tensor):
            yield path, value.detach()
        elif isinstance(value, Mapping):
            yield from leaves(value, path, depth + 1)


def translate(cls: type[Model], state: Mapping[str, Tensor], path: Path) -> Imported:
    """Let a model's class translate a foreign state.

    Raises:
        WeightsError: the checkpoint is of another architecture; names what it lacks.
    """
    try:
        return cls.import_state(state)
    except KeyError as error:
        why = f"it lacks {error.args[0]!r}"
    except (ValueError, IndexError) as error:
        why = str(error)
    raise WeightsError(f"{path} is no checkpoint that {cls.__name__} can import: {why}")
