"""For plugin authors: the conformance checks and the `shapes` data set."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganzoo_core.testing.checks import (
        CheckResult,
        parametrize_with_checks,
        require,
        run_checks,
    )

__all__ = ["CheckResult", "parametrize_with_checks", "require", "run_checks"]


def __getattr__(name: str) -> Any:
    """Import the checks, and torch, at first use: listing the zoo imports `testing.plugin`."""
    if name in __all__:
        return getattr(importlib.import_module("ganzoo_core.testing.checks"), name)
    raise AttributeError(f"module 'ganzoo_core.testing' has no attribute {name!r}")
