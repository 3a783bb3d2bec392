"""The verbs: the core's static table, and those that plugins add."""

from __future__ import annotations

import importlib
from functools import cache

import click

from ganzoo_core.errors import PluginError
from ganzoo_core.zoo import CommandSpec, Plugin, resolve, zoo

HERE = "ganzoo_core.cli"

CORE = {
    "list": ("list:list_", "List models, data sets, judges, losses and metrics."),
    "info": ("info:info", "Tell what a model, a data set or any other entry is."),
    "run": ("run:run", "Train a model."),
    "resume": ("resume:resume", "Continue a run from its newest checkpoint, bit by bit."),
    "sample": ("sample:sample", "Draw images from a run or a bundle of weights."),
    "evaluate": ("evaluate:evaluate", "Measure a run or a bundle against real images."),
    "compare": ("compare:compare", "Put evaluations side by side, like with like."),
    "age": ("age:age", "Draw the people of photographs at other ages."),
    "data": ("data:data", "Look at data, prepare them, or write drawn ones to disk."),
    "weights": ("weights:weights", "Export, verify, import, compare and share weights."),
    "registry": ("registry:registry", "Check the registries of models, data and weights."),
    "schema": ("schema:schema", "Print the JSON schema of a configuration."),
    "new": ("new:new", "Begin a plugin of your own: a model, data set, loss or metric."),
    "check": ("check:check", "Run the conformance checks on an entry of the zoo."),
    "plugins": ("plugins:plugins", "List the plugins and what each registers."),
    "doctor": ("doctor:doctor", "Look for what is wrong with this installation."),
    "completion": ("completion:completion", "Print the script that completes words in a shell."),
}
"""Verb -> (module:command in this package, one line of help)."""


@cache
def claims() -> dict[str, list[tuple[CommandSpec, Plugin]]]:
    """Return who wants which verb, over all plugins."""
    found: dict[str, list[tuple[CommandSpec, Plugin]]] = {}
    for plugin in zoo().plugins:
        for command in plugin.commands:
            found.setdefault(command.name, []).append((command, plugin))
    return found


def plugin_verbs() -> dict[str, CommandSpec]:
    """Return the plugins' verbs that no one else has."""
    return {
        name: claimed[0][0]
        for name, claimed in sorted(claims().items())
        if len(claimed) == 1 and name not in CORE
    }


def refused() -> dict[str, str]:
    """Return the verbs that plugins may not have, and why not."""
    reasons = {}
    for name, claimed in sorted(claims().items()):
        who = " and ".join(plugin.origin for _, plugin in claimed)
        if name in CORE:
            reasons[name] = f"the verb {name!r} of {who} is refused: it is ganzoo's own"
        elif len(claimed) > 1:
            reasons[name] = f"the verb {name!r} is claimed by {who}: uninstall one of them"
    return reasons


def load(name: str) -> click.Command | None:
    """Import the command of a verb; None if there is no such verb.

    Raises:
        PluginError: a plugin's verb is claimed twice, or cannot be imported.
    """
    if name in CORE:
        module, _, attribute = CORE[name][0].partition(":")
        core: click.Command = getattr(importlib.import_module(f"{HERE}.{module}"), attribute)
        return core
    if name in refused():
        raise PluginError(refused()[name])
    if name not in plugin_verbs():
        return None
    target = plugin_verbs()[name].target
    command = resolve(target)
    if not isinstance(command, click.Command):
        raise PluginError(f"{target} is no click command: the verb {name!r} cannot be called")
    return command
