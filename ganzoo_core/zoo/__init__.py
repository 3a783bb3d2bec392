"""The installed entries: specs, hooks, discovery, lookup. Imports no torch and no pydantic."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganzoo_core.zoo.compositions import composition_patch, compositions
from ganzoo_core.zoo.discovery import Plugin
from ganzoo_core.zoo.hooks import hookimpl
from ganzoo_core.zoo.lookup import (
    Zoo,
    ZooEntry,
    has_capability,
    import_target,
    package_folder,
    zoo,
)
from ganzoo_core.zoo.shipped_weights import shipped_weights
from ganzoo_core.zoo.specs import (
    API_VERSION,
    FAMILIES,
    FIDELITY_ASPECTS,
    KINDS,
    CapabilitySpec,
    CommandSpec,
    CompositionSpec,
    DatasetSpec,
    EvaluatorSpec,
    GallerySection,
    LossSpec,
    MetricOption,
    MetricSpec,
    ModelSpec,
    Spec,
    TermSpec,
    TransformSpec,
    WeightsSpec,
)
from ganzoo_core.zoo.tracker import RunTracker, TrackerPlugin, run_title

if TYPE_CHECKING:
    from ganzoo_core.zoo.find_weights import RemoteWeights, locate_weights
    from ganzoo_core.zoo.registry import (
        PublishedWeights,
        RegistryEntry,
        published_weights,
        registry_entries,
    )

__all__ = [
    "API_VERSION",
    "FAMILIES",
    "FIDELITY_ASPECTS",
    "KINDS",
    "CapabilitySpec",
    "CommandSpec",
    "CompositionSpec",
    "DatasetSpec",
    "EvaluatorSpec",
    "GallerySection",
    "LossSpec",
    "MetricOption",
    "MetricSpec",
    "ModelSpec",
    "Plugin",
    "PublishedWeights",
    "RegistryEntry",
    "RemoteWeights",
    "RunTracker",
    "Spec",
    "TermSpec",
    "TrackerPlugin",
    "TransformSpec",
    "WeightsSpec",
    "Zoo",
    "ZooEntry",
    "composition_patch",
    "compositions",
    "has_capability",
    "hookimpl",
    "import_target",
    "locate_weights",
    "package_folder",
    "published_weights",
    "registry_entries",
    "run_title",
    "shipped_weights",
    "zoo",
]

_LAZY_MODULES = {
    "PublishedWeights": "registry",
    "RegistryEntry": "registry",
    "RemoteWeights": "find_weights",
    "locate_weights": "find_weights",
    "published_weights": "registry",
    "registry_entries": "registry",
}


def __getattr__(name: str) -> Any:
    """Import the registry at the first use of a name (PEP 562): `ganzoo --help` needs none."""
    if name not in _LAZY_MODULES:
        raise AttributeError(f"module 'ganzoo_core.zoo' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ganzoo_core.zoo.{_LAZY_MODULES[name]}"), name)
