"""The commands: a static table of the core's, and those that plugins add."""

from __future__ import annotations

import importlib
from functools import cache

import click

from ganzoo_core.errors import PluginError
from ganzoo_core.zoo import CommandSpec, Plugin, import_target, zoo

_CLI_PACKAGE = "ganzoo_core.cli"

CORE_ALIASES = {"train": "run", "generate": "sample"}
"""Other names of the core's commands; accepted, not listed."""

CORE_COMMANDS = {
    "list": ("list:list_", "List models, data sets, evaluators, losses, terms and metrics."),
    "info": ("info:info", "Describe a model, a data set or any other entry."),
    "run": ("run:run", "Train a model."),
    "resume": ("resume:resume", "Continue a run from its latest checkpoint, bit-exact."),
    "reproduce": ("reproduce:reproduce", "Print or run what made a run, and what differs here."),
    "sample": ("sample:sample", "Draw images from a run or a pretrained folder."),
    "translate": ("translate:translate", "Translate images to other labels, image to image."),
    "evaluate": ("evaluate:evaluate", "Measure a run or pretrained folder against real images."),
    "compare": ("compare:compare", "Compare evaluations of runs side by side."),
    "data": ("data:data", "Inspect, prepare or export a data set."),
    "weights": ("weights:weights", "Export, verify, import, compare and share weights."),
    "registry": ("registry:registry", "Check the registries of models, data and weights."),
    "schema": ("schema:schema", "Print the JSON schema of a configuration."),
    "new": ("new:new", "Create a plugin: a model, data set, loss, term or metric."),
    "check": ("check:check", "Run the conformance checks on an entry of the zoo."),
    "plugins": ("plugins:plugins", "List the plugins and what each registers."),
    "doctor": ("doctor:doctor", "Find problems of this installation."),
    "completion": ("completion:completion", "Print a shell completion script."),
}
"""Command name -> (module:attribute in this package, one line of help)."""


@cache
def _plugin_commands_by_name() -> dict[str, list[tuple[CommandSpec, Plugin]]]:
    commands: dict[str, list[tuple[CommandSpec, Plugin]]] = {}
    for plugin in zoo().plugins:
        for command in plugin.commands:
            commands.setdefault(command.name, []).append((command, plugin))
    return commands


def plugin_commands() -> dict[str, CommandSpec]:
    """Return the commands of plugins whose name is free."""
    return {
        name: candidates[0][0]
        for name, candidates in sorted(_plugin_commands_by_name().items())
        if len(candidates) == 1 and name not in CORE_COMMANDS
    }


def rejected_commands() -> dict[str, str]:
    """Return the commands of plugins whose name is taken, with the reason."""
    reasons = {}
    for name, candidates in sorted(_plugin_commands_by_name().items()):
        origins = " and ".join(plugin.origin for _, plugin in candidates)
        if name in CORE_COMMANDS:
            reasons[name] = (
                f"the command {name!r} of {origins} is rejected: ganzoo itself has this command"
            )
        elif len(candidates) > 1:
            reasons[name] = (
                f"the command {name!r} is registered by {origins}: uninstall one of them"
            )
    return reasons


def canonical_command(name: str) -> str:
    """Return the name of a command as it is listed: `Train` is `run`. Case and British spelling do
    not matter. Unknown names are returned unchanged."""
    if name in CORE_COMMANDS or name in _plugin_commands_by_name():
        return name
    names = {known.casefold(): known for known in [*CORE_COMMANDS, *_plugin_commands_by_name()]}
    aliases = {
        alias: spec.name for spec in plugin_commands().values() for alias in spec.aliases
    } | CORE_ALIASES
    known = {**aliases, **names}
    american = name.casefold().replace("ise", "ize").replace("geing", "ging")
    return known.get(name.casefold(), known.get(american, name))


def load_command(name: str) -> click.Command | None:
    """Import and return a command; None if the name is unknown.

    Raises:
        PluginError: two plugins add this command, or it cannot be imported.
    """
    if name in CORE_COMMANDS:
        module, _, attribute = CORE_COMMANDS[name][0].partition(":")
        command_object: click.Command = getattr(
            importlib.import_module(f"{_CLI_PACKAGE}.{module}"), attribute
        )
        return command_object
    if name in rejected_commands():
        raise PluginError(rejected_commands()[name])
    if name not in plugin_commands():
        return None
    target = plugin_commands()[name].target
    command = import_target(target)
    if not isinstance(command, click.Command):
        raise PluginError(f"{target} is not a click command: {name!r} cannot be called")
    return command
