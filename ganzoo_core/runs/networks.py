"""From `--features` to a feature network, and who is a parent of a model."""

from __future__ import annotations

from collections.abc import Callable

from ganzoo_core.metrics.case import Case
from ganzoo_core.metrics.networks import Network
from ganzoo_core.weights import Bundle


def feature_network(features: str) -> Callable[[Case], Network]:
    """Return what makes the feature network when a metric asks for it."""
    return lambda case: case.judge


def parents(bundle: Bundle) -> frozenset[str]:
    """Return the sha256 of the bundles behind a model: its judges', and its own."""
    named = bundle.index.get("parents", [])
    return frozenset([bundle.sha256, *(str(parent["sha256"]) for parent in named)])
