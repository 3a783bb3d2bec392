"""The installed entries: specs, hooks, discovery, lookup. Imports no torch and no pydantic."""

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
from ganzoo_core.zoo.registry import (
    PublishedWeights,
    RegistryEntry,
    published_weights,
    registry_entries,
)
from ganzoo_core.zoo.specs import (
    API_VERSION,
    FAMILIES,
    FIDELITY_ASPECTS,
    KINDS,
    CapabilitySpec,
    CommandSpec,
    DatasetSpec,
    EvaluatorSpec,
    LossSpec,
    MetricOption,
    MetricSpec,
    ModelSpec,
    Spec,
    TermSpec,
    TransformSpec,
)
from ganzoo_core.zoo.tracker import RunTracker, TrackerPlugin, run_title

__all__ = [
    "API_VERSION",
    "FAMILIES",
    "FIDELITY_ASPECTS",
    "KINDS",
    "CapabilitySpec",
    "CommandSpec",
    "DatasetSpec",
    "EvaluatorSpec",
    "LossSpec",
    "MetricOption",
    "MetricSpec",
    "ModelSpec",
    "Plugin",
    "PublishedWeights",
    "RegistryEntry",
    "RunTracker",
    "Spec",
    "TermSpec",
    "TrackerPlugin",
    "TransformSpec",
    "Zoo",
    "ZooEntry",
    "has_capability",
    "hookimpl",
    "import_target",
    "package_folder",
    "published_weights",
    "registry_entries",
    "run_title",
    "zoo",
]
