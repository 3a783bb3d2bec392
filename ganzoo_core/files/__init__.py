"""Atomic writes, file hashes, typed reading of JSON and TOML, and tensors in safetensors files.

No pickle. Only the functions of tensors import torch, and only those that read import pydantic, at
their first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganzoo_core.files.atomic_write import atomic_path, file_sha256, write_json, write_text

if TYPE_CHECKING:
    from ganzoo_core.files.tensors import copy_state_dict, load_tensors, save_tensors
    from ganzoo_core.files.typed import read_json, read_jsonl, read_toml

__all__ = [
    "atomic_path",
    "copy_state_dict",
    "file_sha256",
    "load_tensors",
    "read_json",
    "read_jsonl",
    "read_toml",
    "save_tensors",
    "write_json",
    "write_text",
]


def __getattr__(name: str) -> Any:
    """Import a function at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'ganzoo_core.files' has no attribute {name!r}")
    module = "typed" if name.startswith("read_") else "tensors"
    return getattr(importlib.import_module(f"ganzoo_core.files.{module}"), name)
