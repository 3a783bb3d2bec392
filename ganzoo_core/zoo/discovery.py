"""Find plugins: scan the entry points and load each plugin on its own.

pluggy's `load_setuptools_entrypoints` lets one broken plugin break every command and keeps the
order of the file system. This scan is sorted and isolated, and each error stays with its plugin.
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
from ganzoo_core.zoo.specs import (
    API_VERSION,
    KINDS,
    METRIC_SUBJECTS,
    CommandSpec,
    MetricOption,
    MetricSpec,
    Spec,
)

ENTRY_POINT_GROUP = "ganzoo.plugins"
PLUGINS_ENV_VAR = "GANZOO_PLUGINS"


@dataclass
class Plugin:
    """An installed plugin: what it registered, or the error that prevented it."""

    name: str
    distribution: str
    version: str
    specs: list[Spec] = field(default_factory=list)
    commands: list[CommandSpec] = field(default_factory=list)
    error: str = ""
    """One line; empty if the plugin loaded."""
    traceback: str = ""
    is_disabled: bool = False
    """Not loaded, because GANZOO_PLUGINS does not name it."""
    manager: pluggy.PluginManager | None = None
    """The plugin's own manager, so that hooks are called plugin by plugin."""

    @property
    def origin(self) -> str:
        """``ganzoo-cgan 0.1.0``."""
        return f"{self.distribution} {self.version}".strip()

    def add(self, *specs: Spec) -> None:
        """Add specs; called by `ganzoo_register`. An invalid spec marks only its plugin as broken.

        Raises:
            TypeError, ValueError: the spec is invalid, or written for another API version.
        """
        for spec in specs:
            if not isinstance(spec, tuple(KINDS.values())):
                raise TypeError(f"{spec!r} is not a spec: use one of {', '.join(KINDS)}")
            _validate_spec(spec, ("name", "summary", "target", "config", "paper", "license"))
            if spec.api_version != API_VERSION:
                outdated = "ganzoo-core" if spec.api_version > API_VERSION else self.distribution
                raise ValueError(
                    f"{spec.name} is written for plugin API {spec.api_version}, "
                    f"this is API {API_VERSION}: upgrade {outdated}"
                )
            if isinstance(spec, MetricSpec):
                _validate_metric(spec)
            self.specs.append(spec)


def _validate_spec(spec: Spec | CommandSpec, fields: tuple[str, ...]) -> None:
    for key in fields:
        if not isinstance(getattr(spec, key), str):
            raise TypeError(f"{key} of {spec!r} is not a string")
    if not spec.name or spec.name != spec.name.strip() or ":" in spec.name:
        raise ValueError(f"{spec.name!r} is not a valid name: use words joined by hyphens")
    if not all(spec.target.partition(":")):
        raise ValueError(f"{spec.name}: the target {spec.target!r} is not package.module:Class")


def _validate_metric(spec: MetricSpec) -> None:
    if spec.evaluates not in METRIC_SUBJECTS:
        raise ValueError(
            f"{spec.name}: evaluates={spec.evaluates!r}: use one of {', '.join(METRIC_SUBJECTS)}"
        )
    if (spec.options or spec.has_baselines) and spec.evaluates != "model":
        raise ValueError(f"{spec.name}: options and has_baselines need evaluates='model'")
    for option in spec.options:
        if not isinstance(option, MetricOption):
            raise TypeError(f"{spec.name}: {option!r} is not a MetricOption")
        if not option.name.isidentifier():
            raise ValueError(f"{spec.name}: the option {option.name!r} is not an identifier")


def _collect_commands(hook_results: Iterable[Iterable[CommandSpec]]) -> list[CommandSpec]:
    commands = [command for result in hook_results for command in result]
    for command in commands:
        if not isinstance(command, CommandSpec):
            raise TypeError(f"ganzoo_commands returned {command!r}, which is not a CommandSpec")
        _validate_spec(command, ("name", "help", "target"))
    return commands


def load_plugin(entry_point: EntryPoint, plugin: Plugin) -> Plugin:
    """Import one plugin and call its registration hooks; an error is stored in `plugin.error`."""
    try:
        manager = pluggy.PluginManager(hooks.PROJECT)
        manager.add_hookspecs(hooks)
        _register_module(manager, entry_point.load(), entry_point.name)
        manager.hook.ganzoo_register(zoo=plugin)
        plugin.commands = _collect_commands(manager.hook.ganzoo_commands())
        plugin.manager = manager
    except (Exception, SystemExit) as error:
        plugin.specs, plugin.commands = [], []
        plugin.error = f"{type(error).__name__}: {error}".splitlines()[0]
        plugin.traceback = traceback.format_exc()
    return plugin


def _register_module(manager: pluggy.PluginManager, module: ModuleType, name: str) -> None:
    """Register a plugin's module; reject hooks that do not exist, which pluggy ignores."""
    manager.register(module, name)
    unknown_hooks = sorted(
        attribute
        for attribute in dir(module)
        if attribute.startswith("ganzoo_")
        and hasattr(getattr(module, attribute), f"{hooks.PROJECT}_impl")
        and not hasattr(hooks, attribute)
    )
    if unknown_hooks:
        raise ValueError(f"unknown hook {unknown_hooks[0]!r}: see docs/reference/hooks.md")
    manager.check_pending()


def discover_plugins() -> Iterator[Plugin]:
    """Yield every installed plugin, sorted by name, then distribution.

    GANZOO_PLUGINS selects which are loaded: unset for all, empty for none, or a comma list.
    """
    enabled_names = os.environ.get(PLUGINS_ENV_VAR)
    enabled = None if enabled_names is None else {n.strip() for n in enabled_names.split(",")}
    found = {}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        # dist.name and dist.version would each parse the whole METADATA again.
        dist = entry_point.dist
        metadata: Any = dist.metadata if dist else {"Name": "", "Version": ""}
        plugin = Plugin(entry_point.name, metadata["Name"] or "?", metadata["Version"] or "")
        plugin.is_disabled = enabled is not None and entry_point.name not in enabled
        found[(plugin.name, plugin.distribution, entry_point.value)] = (plugin, entry_point)
    for key in sorted(found):
        plugin, entry_point = found[key]
        yield plugin if plugin.is_disabled else load_plugin(entry_point, plugin)
