"""The public modules of the core, as docs/reference/api.md lists them."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import ganzoo_core

PUBLIC_PACKAGES = (
    "config",
    "data",
    "engine",
    "errors",
    "files",
    "interfaces",
    "layers",
    "losses",
    "metrics",
    "report",
    "training",
    "testing",
    "weights",
    "zoo",
)
"""Packages whose `__all__` is public."""
PUBLIC_MODULES = {
    "cli.options",
    "cli.output",
    "cli.completers",
    "cli.stored_model",
    "data.ada",
    "data.archive",
    "data.augment",
    "data.image_decoding",
    "data.input_images",
    "data.matlab",
    "data.quantization",
    "data.splits",
    "data.subset",
    "metrics.distances",
    "metrics.feature_extractor",
    "metrics.image_sets",
    "metrics.neighbors",
    "training.dry_run",
    "training.loading",
    "evaluation.api",
    "evaluation.comparison",
    "evaluation.comparison_figure",
    "evaluation.comparison_table",
    "evaluation.feature_networks",
    "evaluation.provenance",
    "interfaces.sampling",
    "limits",
    "report.curves",
    "report.image_grid",
    "report.progress",
    "report.run_page",
    "report.svg_plot",
    "training.evaluation_file",
    "training.open_data",
    "training.run_folder",
    "testing.shapes",
    "testing.stubs",
    "zoo.hooks",
}
"""Modules that are public with all their names without underscore."""


def iter_imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of each import in a file; the name is empty for ``import module``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def is_public(module: str, name: str) -> bool:
    """Return whether a plugin may write ``from module import name`` for a module of the core."""
    first, _, subpath = module.partition(".")
    package = subpath or name
    if not subpath and (not name or name in ganzoo_core.__all__):
        return True
    if {package, f"{subpath}.{name}"} & PUBLIC_MODULES:
        return True
    if package in PUBLIC_PACKAGES and not (subpath and name):
        return True
    public_package = (
        importlib.import_module(f"{first}.{subpath}") if subpath in PUBLIC_PACKAGES else None
    )
    return public_package is not None and name in getattr(
        public_package, "__all__", vars(public_package)
    )
