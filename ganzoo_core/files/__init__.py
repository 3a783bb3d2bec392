"""Atomic writes, file hashes, and tensors in safetensors files; no pickle."""

from ganzoo_core.files.atomic_write import atomic_path, file_sha256, write_json, write_text
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
