"""Shell completion of entry names and presets."""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import CompletionItem

from ganzoo_core.zoo import KINDS, published_weights, zoo


def complete_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a model or a composition."""
    return [name for name in zoo().model_names() if name.startswith(incomplete)]


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


def complete_stored_models(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a folder, or the name of installed or published weights."""
    names = [*zoo().names("weights"), *(w.name for w in published_weights() if w.is_published)]
    items = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="dir"), *items]


def complete_assignments(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete `--set`: the options of the model and data set on the same command line, with their
    descriptions; after ``=`` the values of an option that has few."""
    from ganzoo_core.cli.option_docs import option_records
    from ganzoo_core.config import Config, TrainConfig
    from ganzoo_core.config.terms import term_options_class
    from ganzoo_core.config.tree import data_config_class, model_config_class
    from ganzoo_core.errors import GanzooError

    branches = (
        ["data"] if ctx.command_path.startswith("ganzoo data") else ["model", "data", "train"]
    )
    words = [str(word) for word in ctx.params.values() if isinstance(word, str)]
    words += os.environ.get("COMP_WORDS", "").split()
    names = [word.partition(":")[0] for word in words]
    try:
        model = next((zoo().model(w) for w in words if w in zoo().model_names()), None)
        data = next((n for n in names if n in zoo().names("dataset")), "")
        if model and not data:
            preset = model_config_class(model).presets.get("quick", {})
            data = str(preset.get("data", {}).get("name", ""))
        classes: dict[str, type[Config]] = {"data": data_config_class(data), "train": TrainConfig}
        if model:
            classes["model"] = model_config_class(model)
    except GanzooError:
        return []  # completion must not print errors
    options = [
        option
        for branch in branches
        if branch in classes
        for option in option_records(classes[branch], branch)
    ]
    if model and "terms" in classes["model"].model_fields:
        for term in zoo().names("term"):
            options += option_records(term_options_class(term), f"model.terms.{term}")
    key, equals, _ = incomplete.partition("=")
    if not equals:
        return [
            CompletionItem(f"{option['name']}=", help=option["description"])
            for option in options
            if option["name"].startswith(key)
        ]
    types = [option["type"] for option in options if option["name"] == key]
    values = [value.strip('"') for kind in types for value in kind.split(" | ")]
    if "bool" in values:
        values = ["true", "false"]
    values = [
        value for value in values if value not in {"int", "float", "str"} and "[" not in value
    ]
    items = [f"{key}={value}" for value in values]
    return [CompletionItem(item) for item in items if item.startswith(incomplete)]


def complete_presets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Complete a preset of the model on the same command line."""
    from ganzoo_core.config.tree import model_config_class
    from ganzoo_core.errors import GanzooError

    # Click does not parse MODEL if the last option still lacks its value.
    typed = [str(ctx.params.get("model") or ""), *os.environ.get("COMP_WORDS", "").split()]
    name = next((word for word in typed if word in zoo().model_names()), "")
    try:
        preset_names = model_config_class(zoo().model(name)).presets
    except GanzooError:
        return []  # completion must not print errors
    return [name for name in preset_names if name.startswith(incomplete)]
