"""Load each plugin on its own: an error stays with its plugin, and the order is always the same."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import reduce
from types import ModuleType
from typing import Any

import pluggy

from ganzoo_core.errors import error_line
from ganzoo_core.zoo import hooks
from ganzoo_core.zoo.entry_points import find_entry_points
from ganzoo_core.zoo.quarantine import (
    import_deadline,
    import_log,
    read_records,
    stdout_to_stderr,
    try_suspect,
)
from ganzoo_core.zoo.specs import (
    API_VERSION,
    FAMILIES,
    KINDS,
    METRIC_SUBJECTS,
    CommandSpec,
    MetricOption,
    MetricSpec,
    ModelSpec,
    Spec,
)

PLUGINS_ENV_VAR = "GANZOO_PLUGINS"
LINGERING_THREADS: list[threading.Thread] = []
"""Threads that broken plugins started at import; the interpreter would wait for them at exit."""


@dataclass
class Plugin:
    """An installed plugin: what it registered, or the error that prevented it."""

    name: str
    distribution: str
    version: str
    specs: list[Spec] = field(default_factory=list)
    commands: list[CommandSpec] = field(default_factory=list)
    target: str = ""
    """``package.module`` or ``package.module:attribute`` of its entry point."""
    error: str = ""
    """One line; empty if the plugin loaded."""
    traceback: str = ""
    is_disabled: bool = False
    """Not loaded, because GANZOO_PLUGINS does not name it."""
    hooks: dict[str, pluggy.HookCaller] = field(default_factory=dict)
    """The hooks that it implements; they are called plugin by plugin."""

    @property
    def origin(self) -> str:
        """``ganzoo-cgan 0.1.0``."""
        return f"{self.distribution} {self.version}".strip()

    def call_hook(self, name: str, **values: Any) -> list[Any]:
        """Call a hook; return a list of its result, empty without the hook."""
        return self.hooks[name](**values) if name in self.hooks else []

    def add(self, *specs: Spec) -> None:
        """Add specs; called by `ganzoo_register`. An invalid spec marks only its plugin as broken.

        Raises:
            TypeError, ValueError: the spec is invalid, or written for another API version.
        """
        for spec in specs:
            if not isinstance(spec, tuple(KINDS.values())):
                raise TypeError(f"{spec!r} is not a spec: use one of {', '.join(KINDS)}")
            _validate_spec(spec)
            if spec.api_version != API_VERSION:
                outdated = "ganzoo-core" if spec.api_version > API_VERSION else self.distribution
                raise ValueError(
                    f"{spec.name} is written for plugin API {spec.api_version}, "
                    f"this is API {API_VERSION}: upgrade {outdated}"
                )
            if isinstance(spec, MetricSpec):
                _validate_metric(spec)
            if isinstance(spec, ModelSpec) and spec.family and spec.family not in FAMILIES:
                raise ValueError(f"{spec.name}: family must be one of {', '.join(FAMILIES)}")
            self.specs.append(spec)


def _is_tuple_of(value: object, item_type: type) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, item_type) for item in value)


_FIELD_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a string", lambda value: isinstance(value, str)),
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "int": ("an integer", lambda value: type(value) is int),
    "tuple[str, ...]": ("a tuple of strings", lambda value: _is_tuple_of(value, str)),
    "tuple[MetricOption, ...]": (
        "a tuple of MetricOption",
        lambda value: _is_tuple_of(value, MetricOption),
    ),
    "Mapping[str, str]": (
        "a mapping of strings",
        lambda value: (
            isinstance(value, Mapping) and _is_tuple_of((*value.keys(), *value.values()), str)
        ),
    ),
}
"""What each field of a spec must be, by its annotation. A wrong type would break `ganzoo list` for
every plugin."""


def _validate_fields(spec: Spec | CommandSpec | MetricOption) -> None:
    for spec_field in fields(spec):
        value = getattr(spec, spec_field.name)
        description, is_valid = _FIELD_TYPES[str(spec_field.type)]
        if not is_valid(value):
            raise TypeError(f"{spec_field.name} of {spec!r} is not {description}")
        str(value).encode()  # half of a surrogate pair cannot be printed


def _validate_spec(spec: Spec | CommandSpec) -> None:
    _validate_fields(spec)
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
        _validate_fields(option)
        if not option.name.isidentifier():
            raise ValueError(f"{spec.name}: the option {option.name!r} is not an identifier")


def _collect_commands(hook_results: Iterable[Iterable[CommandSpec]]) -> list[CommandSpec]:
    commands = [command for result in hook_results for command in result]
    for command in commands:
        if not isinstance(command, CommandSpec):
            raise TypeError(f"ganzoo_commands returned {command!r}, which is not a CommandSpec")
        _validate_spec(command)
    return commands


def load_plugin(plugin: Plugin) -> Plugin:
    """Import one plugin and call its registration hooks; an error is stored in `plugin.error`.

    Only Ctrl-C passes: whatever else a plugin raises marks this plugin alone as broken.
    """
    threads = set(threading.enumerate())
    try:
        with import_deadline():
            _register_hooks(plugin, _import_module(plugin.target))
            plugin.call_hook("ganzoo_register", zoo=plugin)
            plugin.commands = _collect_commands(plugin.call_hook("ganzoo_commands"))
        if lingering := [t for t in {*threading.enumerate()} - threads if not t.daemon]:
            LINGERING_THREADS.extend(lingering)
            raise RuntimeError(f"it starts the thread {lingering[0].name!r}, which is no daemon")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        from traceback import format_exc

        plugin.specs, plugin.commands, plugin.hooks = [], [], {}
        plugin.error = error_line(error)
        plugin.traceback = format_exc()
    return plugin


def _import_module(target: str) -> Any:
    """Import ``package.module``, or return an attribute of it."""
    module, _, attributes = target.partition(":")
    return reduce(getattr, filter(None, attributes.split(".")), importlib.import_module(module))


def _register_hooks(plugin: Plugin, module: Any) -> None:
    """Register the hooks that a plugin's module implements; pluggy checks their arguments.

    Raises:
        ValueError: there is no such hook.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.register(module, plugin.name)
    plugin.hooks = {caller.name: caller for caller in manager.get_hookcallers(module) or ()}
    # The specs of these hooks alone: reading all of them for each plugin takes longer.
    specs = ModuleType(hooks.__name__)
    for name in plugin.hooks:
        if name not in hooks.NAMES:
            raise ValueError(f"unknown hook {name!r}: see docs/reference/hooks.md")
        setattr(specs, name, getattr(hooks, name))
    if plugin.hooks:
        manager.add_hookspecs(specs)


def discover_plugins() -> Iterator[Plugin]:
    """Yield every installed plugin, sorted by name, then distribution.

    GANZOO_PLUGINS selects which are loaded: unset for all, empty for none, or a comma list.
    """
    enabled_names = os.environ.get(PLUGINS_ENV_VAR)
    enabled = None if enabled_names is None else {n.strip() for n in enabled_names.split(",")}
    suspects, broken = read_records()
    with stdout_to_stderr(), import_log() as log_import:
        for name, distribution, target, version, error in find_entry_points():
            plugin = Plugin(name, distribution, version, target=target, error=error)
            key = " ".join([name, distribution, target, version]).replace("\n", " ")
            plugin.is_disabled = enabled is not None and name not in enabled and not error
            if not plugin.is_disabled and key in suspects:
                plugin.error = try_suspect(key, name, target)
                if plugin.error:
                    line = f"ganzoo: the plugin {plugin.name} ({plugin.origin}) is not imported: "
                    print(f"{line}{plugin.error}", file=sys.stderr)
            elif not plugin.is_disabled:
                plugin.error = plugin.error or broken.get(key, "")
            if not (plugin.is_disabled or plugin.error):
                log_import(key)
                load_plugin(plugin)
            yield plugin
