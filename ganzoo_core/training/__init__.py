"""The Python API: train, resume, load. It imports torch at the first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganzoo_core.zoo import zoo

if TYPE_CHECKING:
    from ganzoo_core.training.api import resume, train
    from ganzoo_core.training.fit import Run
    from ganzoo_core.training.loading import from_pretrained, load

__all__ = ["Run", "datasets", "from_pretrained", "load", "models", "resume", "train"]


def models() -> list[str]:
    """Return the names of the installed models."""
    return zoo().names("model")


def datasets() -> list[str]:
    """Return the names of the installed data sets."""
    return zoo().names("dataset")


def __getattr__(name: str) -> Any:
    """Import the functions that need torch at their first use (PEP 562)."""
    if name in {"from_pretrained", "load"}:
        return getattr(importlib.import_module("ganzoo_core.training.loading"), name)
    if name in {"Run", "resume", "train"}:
        return getattr(importlib.import_module("ganzoo_core.training.api"), name)
    raise AttributeError(f"module 'ganzoo_core.training' has no attribute {name!r}")
