"""The commands: a static table of the core's, and those that plugins add."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import click

from ganzoo_core.cli.output import examples
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


def _accepted_commands() -> dict[str, CommandSpec]:
    """Return the commands of plugins whose name is free, `bench gans` among them."""
    rejected = rejected_commands()
    return {
        name: candidates[0][0]
        for name, candidates in sorted(_plugin_commands_by_name().items())
        if name not in rejected
    }


def plugin_commands() -> dict[str, str]:
    """Return the help of the commands of plugins by name; of a group, its commands."""
    texts = {name: spec.help for name, spec in _accepted_commands().items() if " " not in name}
    for name, specs in _commands_by_group().items():
        texts[name] = f"Commands: {', '.join(specs)}."
    return dict(sorted(texts.items()))


def _commands_by_group() -> dict[str, dict[str, CommandSpec]]:
    """Return the commands with names of two words by the first, then by the second word."""
    groups: dict[str, dict[str, CommandSpec]] = {}
    for name, spec in _accepted_commands().items():
        group, space, word = name.partition(" ")
        if space:
            groups.setdefault(group, {})[word] = spec
    return groups


def rejected_commands() -> dict[str, str]:
    """Return the commands of plugins whose name is taken, with the reason."""
    reasons = {}
    for name, candidates in sorted(_plugin_commands_by_name().items()):
        origins = " and ".join(plugin.origin for _, plugin in candidates)
        group = name.partition(" ")[0]
        if group in CORE_COMMANDS:
            reasons[name] = (
                f"the command {name!r} of {origins} is rejected: ganzoo itself has this command"
            )
        elif " " in name and group in _plugin_commands_by_name():
            reasons[name] = f"the command {name!r} of {origins} is rejected: {group!r} is no group"
        elif len(candidates) > 1:
            reasons[name] = (
                f"the command {name!r} is registered by {origins}: uninstall one of them"
            )
    return reasons


def canonical_command(name: str) -> str:
    """Return the name of a command as it is listed: `Train` is `run`. Case and British spelling do
    not matter. Unknown names are returned unchanged."""
    if name in CORE_COMMANDS:  # without the discovery of plugins, which `doctor` does its own way
        return name
    listed = [*CORE_COMMANDS, *_plugin_commands_by_name(), *_commands_by_group()]
    if name in listed:
        return name
    names = {known.casefold(): known for known in listed}
    aliases = {
        alias: spec.name for spec in _accepted_commands().values() for alias in spec.aliases
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
    if name in (groups := _commands_by_group()):
        members = {word: _import_or_explain(spec) for word, spec in groups[name].items()}
        steps = [f"ganzoo help {name} {word}" for word in members]
        steps = [*steps, "ganzoo plugins", "ganzoo list"][:3]
        epilog = examples(*steps, title="Next steps")
        return click.Group(name, members, help=plugin_commands()[name], epilog=epilog)
    spec = _accepted_commands().get(name)
    return _import_command(spec) if spec else None


def _import_command(spec: CommandSpec) -> click.Command:
    command = import_target(spec.target)
    if not isinstance(command, click.Command):
        raise PluginError(f"{spec.target} is not a click command: {spec.name!r} cannot be called")
    return command


def _import_or_explain(spec: CommandSpec) -> click.Command:
    """Import a command of a group; one that cannot be imported says so when it is called."""
    try:
        return _import_command(spec)
    except PluginError as error:
        reason = error

    def fail(**_: Any) -> None:
        raise reason

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(spec.name, context_settings=settings, callback=fail, help=spec.help)
