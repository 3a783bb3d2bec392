"""Metrics: what the zoo's metrics receive and return.

A metric is a function that takes an `EvaluationContext` and returns `MetricValue`s by name. One
that evaluates a model takes a `ModelContext` and returns a `ModelMetricResult`. Either
raises `MetricNotApplicableError` where it does not apply to the data: see
docs/explanation/metrics.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganzoo_core.metrics.context import EvaluationContext
    from ganzoo_core.metrics.metric_value import MetricNotApplicableError, MetricValue
    from ganzoo_core.metrics.model_context import ModelContext, ModelMetricResult

_MODULES = {
    "EvaluationContext": "context",
    "MetricValue": "metric_value",
    "MetricNotApplicableError": "metric_value",
    "ModelContext": "model_context",
    "ModelMetricResult": "model_context",
}
__all__ = [
    "EvaluationContext",
    "MetricNotApplicableError",
    "MetricValue",
    "ModelContext",
    "ModelMetricResult",
]


def __getattr__(name: str) -> Any:
    """Import a class that needs torch at its first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'ganzoo_core.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ganzoo_core.metrics.{_MODULES[name]}"), name)
