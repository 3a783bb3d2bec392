"""Files in and out: atomic, hashed, no pickle."""

from ganzoo_core.files.atomic import atomic, sha256, write_json, write_text
from ganzoo_core.files.tensors import copy_strictly, load_tensors, save_tensors

__all__ = [
    "atomic",
    "copy_strictly",
    "load_tensors",
    "save_tensors",
    "sha256",
    "write_json",
    "write_text",
]
