"""What is installed: specs, hooks, discovery, lookup. No torch, no pydantic."""

from ganzoo_core.zoo.catalog import Row, Zoo, resolve, zoo
from ganzoo_core.zoo.discovery import Plugin
from ganzoo_core.zoo.hooks import hookimpl
from ganzoo_core.zoo.registry import Entry, catalogue
from ganzoo_core.zoo.specs import API, CommandSpec, DatasetSpec, ModelSpec, Spec

__all__ = [
    "API", "CommandSpec", "DatasetSpec", "Entry", "ModelSpec", "Plugin", "Row", "Spec", "Zoo",
    "catalogue", "hookimpl", "resolve", "zoo",
]  # fmt: skip
