"""Atomic writes, file hashes, typed reading of JSON and TOML, and tensors in safetensors files.

No pickle. Only the functions of tensors import torch, at their first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganzoo_core.files.atomic_write import atomic_path, file_sha256, write_json, write_text

if TYPE_CHECKING:
    from ganzoo_core.files.tensors import copy_state_dict, load_tensors, save_tensors

__all__ = [
    "atomic_path",
    "copy_state_dict",
    "file_sha256",
    "load_tensors",
    "save_tensors",
    "write_json",
    "write_text",
]


def __getattr__(name: str) -> Any:
    """Import a function of tensors at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'ganzoo_core.files' has no attribute {name!r}")
    return getattr(importlib.import_module("ganzoo_core.files.tensors"), name)
