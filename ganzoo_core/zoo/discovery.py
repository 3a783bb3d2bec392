"""Find plugins: our own scan of the entry points, each loaded on its own.

pluggy's `load_setuptools_entrypoints` lets one broken plugin break every command and keeps the
file system's order, so the scan is ours: sorted, isolated, every failure kept with its plugin.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from ganzoo_core.zoo import hooks
from ganzoo_core.zoo.specs import API, KINDS, CommandSpec, Spec

GROUP = "ganzoo.plugins"
SWITCH = "GANZOO_PLUGINS"


@dataclass
class Plugin:
    """An installed plugin: what it registered, or why it could not."""

    name: str
    distribution: str
    version: str
    specs: list[Spec] = field(default_factory=list)
    commands: list[CommandSpec] = field(default_factory=list)
    error: str = ""
    """One line, empty when the plugin is sound."""
    trace: str = ""
    off: bool = False
    """Left alone because GANZOO_PLUGINS does not name it."""
    manager: pluggy.PluginManager | None = None
    """The plugin's own manager, so that hooks are called plugin by plugin."""

    @property
    def origin(self) -> str:
        """``ganzoo-cgan 0.1.0``."""
        return f"{self.distribution} {self.version}".strip()

    def add(self, *specs: Spec) -> None:
        """Take specs from `ganzoo_register`; a wrong one condemns the plugin, not the zoo."""
        for spec in specs:
            if not isinstance(spec, tuple(KINDS.values())):
                raise TypeError(f"{spec!r} is not a spec of a {', '.join(KINDS)}")
            check_texts(spec, ("name", "summary", "target", "config", "paper", "license"))
            if spec.api != API:
                raise ValueError(
                    f"{spec.name} is written for plugin api {spec.api}, this is api {API}: "
                    f"upgrade {'ganzoo-core' if spec.api > API else self.distribution}"
                )
            self.specs.append(spec)


def check_texts(spec: Spec | CommandSpec, fields: tuple[str, ...]) -> None:
    """Refuse a spec that would break the list it stands in."""
    for key in fields:
        if not isinstance(getattr(spec, key), str):
            raise TypeError(f"{key} of {spec!r} is not text")
    if not spec.name or spec.name != spec.name.strip() or ":" in spec.name:
        raise ValueError(f"{spec.name!r} is no name: write words joined by hyphens")
    if not all(spec.target.partition(":")):
        raise ValueError(f"{spec.name}: the target {spec.target!r} is not package.module:Class")


def gather(found: Iterable[Iterable[CommandSpec]]) -> list[CommandSpec]:
    """Return a plugin's verbs, checked."""
    commands = [command for some in found for command in some]
    for command in commands:
        if not isinstance(command, CommandSpec):
            raise TypeError(f"ganzoo_commands gave {command!r}, which is not a CommandSpec")
        check_texts(command, ("name", "help", "target"))
    return commands


def selected(entry: EntryPoint) -> bool:
    """Obey GANZOO_PLUGINS: unset = all, empty = none, a comma list = only these."""
    wanted = os.environ.get(SWITCH)
    return wanted is None or entry.name in {name.strip() for name in wanted.split(",")}


def blank(entry: EntryPoint) -> Plugin:
    """Return a plugin that is not loaded yet."""
    # dist.name and dist.version would each parse the whole METADATA again.
    about: Any = entry.dist.metadata if entry.dist else {"Name": "", "Version": ""}
    return Plugin(entry.name, about["Name"] or "?", about["Version"] or "")


def load(entry: EntryPoint, plugin: Plugin) -> Plugin:
    """Import one plugin and let it register; whatever goes wrong is noted on it."""
    try:
        manager = pluggy.PluginManager(hooks.PROJECT)
        manager.add_hookspecs(hooks)
        register(manager, entry.load(), entry.name)
        manager.hook.ganzoo_register(zoo=plugin)
        plugin.commands = gather(manager.hook.ganzoo_commands())
        plugin.manager = manager
    except (Exception, SystemExit) as error:
        plugin.specs, plugin.commands = [], []
        plugin.error = f"{type(error).__name__}: {error}".splitlines()[0]
        plugin.trace = traceback.format_exc()
    return plugin


def register(manager: pluggy.PluginManager, module: ModuleType, name: str) -> None:
    """Register a plugin's module and refuse hooks that do not exist."""
    manager.register(module, name)
    strangers = sorted(
        attribute
        for attribute in dir(module)
        if attribute.startswith("ganzoo_")
        and hasattr(getattr(module, attribute), f"{hooks.PROJECT}_impl")
        and not hasattr(hooks, attribute)
    )
    if strangers:
        raise ValueError(f"unknown hook {strangers[0]!r}: see docs/plugins.md for the hooks")
    manager.check_pending()


def discover() -> Iterator[Plugin]:
    """Yield every installed plugin, sorted by name, then distribution; unselected ones unloaded."""
    found = {}
    for entry in entry_points(group=GROUP):
        plugin = blank(entry)
        plugin.off = not selected(entry)
        found[(plugin.name, plugin.distribution, entry.value)] = (plugin, entry)
    for key in sorted(found):
        plugin, entry = found[key]
        yield plugin if plugin.off else load(entry, plugin)
