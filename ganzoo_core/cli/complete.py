"""Words for shell completion: names of the zoo, and presets of a model."""

from __future__ import annotations

import os
from typing import Any

import click

from ganzoo_core.zoo import KINDS, published, zoo


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a model."""
    return [name for name in zoo().names("model") if name.startswith(incomplete)]


def datasets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a data set."""
    return [name for name in zoo().names("dataset") if name.startswith(incomplete)]


def metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a metric."""
    return [name for name in zoo().names("metric") if name.startswith(incomplete)]


def entries(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a model or a data set."""
    return [*models(ctx, param, incomplete), *datasets(ctx, param, incomplete)]


def anything(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete whatever `ganzoo info` tells of."""
    names = {name for kind in KINDS for name in zoo().names(kind)}
    names |= {plugin.name for plugin in zoo().plugins}
    return sorted(name for name in names if name.startswith(incomplete))


def weights(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete weights that a registry names."""
    return [w.name for w in published() if w.name.startswith(incomplete)]


def presets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Complete a preset of the model typed before."""
    from ganzoo_core.config.tree import model_config_class
    from ganzoo_core.errors import GanzooError

    # Click gives up on a line whose last option still lacks its value, and with it on MODEL.
    typed = [str(ctx.params.get("model") or ""), *os.environ.get("COMP_WORDS", "").split()]
    name = next((word for word in typed if word in zoo().names("model")), "")
    try:
        known = model_config_class(zoo().model(name)).presets
    except GanzooError:
        return []  # a shell that completes shows no errors
    return [name for name in known if name.startswith(incomplete)]
