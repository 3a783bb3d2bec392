"""The installed entries: specs, hooks, discovery, lookup. Imports no torch and no pydantic."""

from ganzoo_core.zoo.discovery import Plugin
from ganzoo_core.zoo.find_weights import RemoteWeights, locate_weights
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
from ganzoo_core.zoo.shipped_weights import shipped_weights
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
    WeightsSpec,
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
    "RemoteWeights",
    "RunTracker",
    "Spec",
    "TermSpec",
    "TrackerPlugin",
    "TransformSpec",
    "WeightsSpec",
    "Zoo",
    "ZooEntry",
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
