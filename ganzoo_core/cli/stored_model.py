"""What a command can check about a run or pretrained folder before torch is imported."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganzoo_core.cli import commands
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import ModelSpec, zoo


def check_capability(folder: Path, capability: str) -> None:
    """Refuse a stored model that lacks a capability; the message names the command to use instead.

    A folder that names no installed model passes: loading it gives the error.

    Raises:
        UsageError: the model lacks the capability.
    """
    spec = _find_spec(folder)
    if spec is None or capability in spec.capabilities:
        return
    installed = {*commands.CORE_COMMANDS, *commands.plugin_commands()}
    verbs = [
        f"ganzoo {known.command} {folder}"
        for known in zoo().capabilities()
        if known.name in spec.capabilities and known.command in installed
    ]
    remedy = f": use {' or '.join(verbs)}" if verbs else ""
    raise UsageError(f"{folder}: {spec.name} lacks the capability {capability}{remedy}")


def parse_sampling_options(folder: Path, assignments: Sequence[str]) -> dict[str, Any]:
    """Return the sampling options of ``--set NAME=VALUE``, validated where the model is installed.

    Raises:
        UsageError: not an assignment, an unknown option, or a wrong value.
    """
    if not assignments:
        return {}
    from ganzoo_core.config import parse_options
    from ganzoo_core.config.tree import model_config_class

    options = parse_options(assignments)
    if (spec := _find_spec(folder)) is not None:
        model_config_class(spec).Sampling.parse_changed(options)
    return options


def _find_spec(folder: Path) -> ModelSpec | None:
    """Return the spec of the model in a run or pretrained folder, or None."""
    name: Any = None
    try:
        if (folder / "ganzoo.json").is_file():
            name = json.loads((folder / "ganzoo.json").read_text(encoding="utf-8"))["model"]
        elif (folder / "config.toml").is_file():
            name = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
            name = name["run"]["model"]
        return zoo().model(name) if isinstance(name, str) and name in zoo().names("model") else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
