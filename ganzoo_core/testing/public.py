"""What a plugin may import of the core: docs/reference/api.md is held to this."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import ganzoo_core

ROOMS = (
    "config",
    "data",
    "engine",
    "errors",
    "files",
    "interfaces",
    "losses",
    "metrics",
    "report",
    "runs",
    "testing",
    "weights",
    "zoo",
)
"""Rooms whose own names (`__all__`) are public."""
MODULES = {
    "data.ada",
    "data.archive",
    "data.augment",
    "data.faces",
    "data.levels",
    "data.matlab",
    "data.photos",
    "data.picture",
    "data.splits",
    "metrics.ages",
    "metrics.reading",
    "metrics.similarity",
    "metrics.verification",
    "runs.data",
    "runs.evaluation",
    "runs.survey",
    "testing.shapes",
    "testing.standins",
    "zoo.hooks",
}
"""Modules that are public by themselves: to read pictures, to open data in a verb, for tests, and
the types of hooks."""


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of what a file imports; the name is empty for ``import module``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def is_public(module: str, name: str) -> bool:
    """Tell whether a plugin may write ``from module import name``, for a module of the core."""
    first, _, inside = module.partition(".")
    room = inside or name
    if not inside and (not name or name in ganzoo_core.__all__):
        return True
    if room in MODULES or (room in ROOMS and not (inside and name)):
        return True
    home = importlib.import_module(f"{first}.{inside}") if inside in ROOMS else None
    return home is not None and (
        f"{inside}.{name}" in MODULES or name in getattr(home, "__all__", vars(home))
    )
