"""Find plugins: scan the entry points and load each plugin on its own.

pluggy's `load_setuptools_entrypoints` lets one broken plugin break every command and keeps the
order of the file system. This scan is sorted and isolated, and each error stays with its plugin.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from ganzoo_core.errors import error_line
from ganzoo_core.zoo import hooks
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

ENTRY_POINT_GROUP = "ganzoo.plugins"
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


def load_plugin(entry_point: EntryPoint, plugin: Plugin) -> Plugin:
    """Import one plugin and call its registration hooks; an error is stored in `plugin.error`.

    Only Ctrl-C passes: whatever else a plugin raises marks this plugin alone as broken.
    """
    threads = set(threading.enumerate())
    try:
        with import_deadline():
            manager = pluggy.PluginManager(hooks.PROJECT)
            manager.add_hookspecs(hooks)
            _register_module(manager, entry_point.load(), entry_point.name)
            manager.hook.ganzoo_register(zoo=plugin)
            plugin.commands = _collect_commands(manager.hook.ganzoo_commands())
            plugin.manager = manager
        if lingering := [t for t in {*threading.enumerate()} - threads if not t.daemon]:
            LINGERING_THREADS.extend(lingering)
            raise RuntimeError(f"it starts the thread {lingering[0].name!r}, which is no daemon")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        plugin.specs, plugin.commands, plugin.manager = [], [], None
        plugin.error = error_line(error)
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
    found, unreadable = _find_entry_points()
    yield from unreadable
    suspects, broken = read_records()
    with stdout_to_stderr(), import_log() as log_import:
        for key in sorted(found):
            plugin, entry_point = found[key]
            record_key = " ".join([*key, plugin.version]).replace("\n", " ")
            plugin.is_disabled = enabled is not None and entry_point.name not in enabled
            if not plugin.is_disabled and record_key in suspects:
                plugin.error = try_suspect(record_key, entry_point.name, entry_point.value)
                if plugin.error:
                    line = f"ganzoo: the plugin {plugin.name} ({plugin.origin}) is not imported: "
                    print(f"{line}{plugin.error}", file=sys.stderr)
            elif not plugin.is_disabled:
                plugin.error = broken.get(record_key, "")
            if not (plugin.is_disabled or plugin.error):
                log_import(record_key)
                load_plugin(entry_point, plugin)
            yield plugin


_EntryPoints = dict[tuple[str, str, str], tuple[Plugin, EntryPoint]]
"""By name, distribution and value."""


def _find_entry_points() -> tuple[_EntryPoints, list[Plugin]]:
    """Return the plugins and their entry points, and a broken plugin for each distribution whose
    entry_points.txt cannot be read."""
    found: _EntryPoints = {}
    try:
        for entry_point in entry_points(group=ENTRY_POINT_GROUP):
            _add_entry_point(found, entry_point, entry_point.dist)
        return found, []
    except Exception:  # one malformed file breaks the scan of all distributions: read each alone
        found, unreadable, names = {}, [], set()
    for dist in distributions():
        try:
            name = str(dist.metadata["Name"]).lower()
            if name in names:  # an older copy further back in the path
                continue
            names.add(name)
            for entry_point in dist.entry_points.select(group=ENTRY_POINT_GROUP):
                _add_entry_point(found, entry_point, dist)
        except Exception as error:
            if plugin := _unreadable_plugin(dist, error):
                unreadable.append(plugin)
    return found, sorted(unreadable, key=lambda plugin: plugin.name)


def _add_entry_point(
    found: _EntryPoints, entry_point: EntryPoint, dist: Distribution | None
) -> None:
    # dist.name and dist.version would each parse the whole METADATA again.
    metadata: Any = (dist.metadata if dist else None) or {"Name": "", "Version": ""}
    plugin = Plugin(entry_point.name, metadata["Name"] or "?", metadata["Version"] or "")
    found[plugin.name, plugin.distribution, entry_point.value] = (plugin, entry_point)


def _unreadable_plugin(dist: Distribution, error: Exception) -> Plugin | None:
    """Return a broken plugin if the malformed distribution is one of ours, else None."""
    try:
        text = dist.read_text("entry_points.txt") or ""
    except UnicodeDecodeError:
        text = ENTRY_POINT_GROUP  # nobody can say which group it holds
    if ENTRY_POINT_GROUP not in text:
        return None
    path = str(getattr(dist, "_path", "")) or "?"
    name = Path(path).name.partition("-")[0]
    problem = f"{path}/entry_points.txt is malformed ({error_line(error)})"
    return Plugin(
        name, name, "", error=problem, traceback="".join(traceback.format_exception(error))
    )
