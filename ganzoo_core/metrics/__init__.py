"""Measuring: metrics as entries of the zoo, and the protocol that makes their figures comparable.

A metric of a plugin is a function that takes a `Case` and returns figures by name; it raises
`Unfit` where the data do not allow it (see docs/metrics.md).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganzoo_core.metrics.case import Case
    from ganzoo_core.metrics.figures import Figure, Unfit

_HOME = {"Case": "case", "Figure": "figures", "Unfit": "figures"}
__all__ = ["Case", "Figure", "Unfit"]


def __getattr__(name: str) -> Any:
    """Import what needs torch at first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'ganzoo_core.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ganzoo_core.metrics.{_HOME[name]}"), name)
