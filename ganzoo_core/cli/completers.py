"""Shell completion of entry names and presets."""

from __future__ import annotations

import os
from typing import Any

import click

from ganzoo_core.zoo import KINDS, published_weights, zoo


def complete_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a model."""
    return [name for name in zoo().names("model") if name.startswith(incomplete)]


def complete_datasets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a data set."""
    return [name for name in zoo().names("dataset") if name.startswith(incomplete)]


def complete_metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a metric."""
    return [name for name in zoo().names("metric") if name.startswith(incomplete)]


def complete_configurable(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete an entry that has options: a model, a data set, a loss or a term."""
    names = [name for kind in ("model", "dataset", "loss", "term") for name in zoo().names(kind)]
    return [name for name in names if name.startswith(incomplete)]


def complete_entries(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a name that `ganzoo info` takes."""
    names = {name for kind in KINDS for name in zoo().names(kind)}
    names |= {plugin.name for plugin in zoo().plugins}
    return sorted(name for name in names if name.startswith(incomplete))


def complete_weights(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of published weights."""
    return [w.name for w in published_weights() if w.name.startswith(incomplete)]


def complete_presets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Complete a preset of the model on the same command line."""
    from ganzoo_core.config.tree import model_config_class
    from ganzoo_core.errors import GanzooError

    # Click does not parse MODEL if the last option still lacks its value.
    typed = [str(ctx.params.get("model") or ""), *os.environ.get("COMP_WORDS", "").split()]
    name = next((word for word in typed if word in zoo().names("model")), "")
    try:
        preset_names = model_config_class(zoo().model(name)).presets
    except GanzooError:
        return []  # completion must not print errors
    return [name for name in preset_names if name.startswith(incomplete)]
