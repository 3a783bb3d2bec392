"""What is installed: specs, hooks, discovery, lookup. No torch, no pydantic."""

from ganzoo_core.zoo.catalog import Row, Zoo, package_folder, resolve, zoo
from ganzoo_core.zoo.discovery import Plugin
from ganzoo_core.zoo.hooks import hookimpl
from ganzoo_core.zoo.registry import Entry, Published, catalogue, published
from ganzoo_core.zoo.specs import (
    API,
    FAMILIES,
    KINDS,
    CommandSpec,
    DatasetSpec,
    JudgeSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    Spec,
)

__all__ = [
    "API",
    "FAMILIES",
    "KINDS",
    "CommandSpec",
    "DatasetSpec",
    "Entry",
    "JudgeSpec",
    "LossSpec",
    "MetricSpec",
    "ModelSpec",
    "Plugin",
    "Published",
    "Row",
    "Spec",
    "Zoo",
    "catalogue",
    "hookimpl",
    "package_folder",
    "published",
    "resolve",
    "zoo",
]
