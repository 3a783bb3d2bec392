"""Metrics: what the zoo's metrics receive and return.

A metric is a function that takes an `EvaluationContext` and returns `MetricValue`s by name. It
raises `MetricNotApplicableError` where it does not apply to the data (see docs/metrics.md).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganzoo_core.metrics.context import EvaluationContext
    from ganzoo_core.metrics.metric_value import MetricNotApplicableError, MetricValue

_MODULES = {
    "EvaluationContext": "context",
    "MetricValue": "metric_value",
    "MetricNotApplicableError": "metric_value",
}
__all__ = ["EvaluationContext", "MetricNotApplicableError", "MetricValue"]


def __getattr__(name: str) -> Any:
    """Import a class that needs torch at its first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'ganzoo_core.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ganzoo_core.metrics.{_MODULES[name]}"), name)
