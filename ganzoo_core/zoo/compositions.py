"""Compositions of a package: named GANs that are a base model and a TOML table of options.

A file `wgan-gp.toml` starts with what `ganzoo list` shows, one quoted text a line. The tables after
it change every preset of the base:

    base = "dcgan"
    summary = "WGAN-GP: Wasserstein loss with a gradient penalty"
    paper = "Improved Training of Wasserstein GANs, arXiv 1704.00028"
    license = "Apache-2.0"

    [model.loss]
    kind = "wasserstein"

    [model.terms.gradient-penalty]
    weight = 10.0
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ganzoo_core.errors import PluginError
from ganzoo_core.zoo.lookup import package_folder
from ganzoo_core.zoo.specs import CompositionSpec

_HEAD = ("base", "summary", "paper", "license")


def compositions(package: str, folder: str = "compositions") -> list[CompositionSpec]:
    """Return a spec for each TOML file inside a folder of a package, for `zoo.add`. Only the head
    of a file is read, up to its first table.

    Args:
        package: the import name of the package; its code is not run.
        folder: the folder inside it. A composition has the name of its file.

    Raises:
        PluginError: there is no such package or folder.
        ValueError: a line of a head is not ``KEY = "TEXT"``, or a key is missing or unknown.
    """
    paths = sorted(package_folder(f"{package}:{folder}").glob("*.toml"))
    return [_read_spec(path, f"{package}:{folder}/{path.name}") for path in paths]


def _read_spec(path: Path, target: str) -> CompositionSpec:
    """Return the spec of a file. Importing tomllib for it would slow down every command; a text in
    JSON is one in TOML too."""
    head: dict[str, Any] = {}
    try:
        for line in path.read_text(encoding="utf-8").partition("\n[")[0].splitlines():
            key, _, text = line.partition("=")
            if key.strip() and not line.startswith("#"):
                head[key.strip()] = json.loads(text)
        return CompositionSpec(name=path.stem, target=target, **head)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'{target}: {error}: it starts with {", ".join(_HEAD)}, each KEY = "TEXT"'
        ) from error


def composition_text(spec: CompositionSpec) -> str:
    """Return the text of the file of a composition.

    Raises:
        PluginError: its file is missing.
    """
    package, _, inside = spec.target.partition(":")
    try:
        return (package_folder(f"{package}:.") / inside).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PluginError(f"{spec.target}: {error}") from None


def composition_patch(spec: CompositionSpec) -> dict[str, Any]:
    """Return the options of a composition: its tables `[model]`, `[data]` and `[train]`.

    Raises:
        PluginError: its file is missing or is not TOML.
    """
    import tomllib

    try:
        tree = tomllib.loads(composition_text(spec))
    except ValueError as error:
        raise PluginError(f"{spec.target}: {error}") from None
    return {key: value for key, value in tree.items() if key not in _HEAD}
