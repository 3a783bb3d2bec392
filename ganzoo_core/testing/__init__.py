"""The testing room: the `shapes` data set and the conformance checks for plugin authors."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganzoo_core.testing.checks import Result, parametrize_with_checks, run_checks

__all__ = ["Result", "parametrize_with_checks", "run_checks"]


def __getattr__(name: str) -> Any:
    """Import the checks, and torch with them, at first use: `plugin` lies beside them."""
    if name in __all__:
        return getattr(importlib.import_module("ganzoo_core.testing.checks"), name)
    raise AttributeError(f"module 'ganzoo_core.testing' has no attribute {name!r}")
