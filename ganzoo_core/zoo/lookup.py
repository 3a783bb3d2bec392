"""The zoo: the specs of all plugins, and lookup by name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ganzoo_core import __version__
from ganzoo_core.errors import PluginError, UsageError, error_line
from ganzoo_core.zoo.capabilities import CAPABILITIES
from ganzoo_core.zoo.discovery import PLUGINS_ENV_VAR, Plugin, discover_plugins
from ganzoo_core.zoo.losses import LOSSES
from ganzoo_core.zoo.meanings import normal_form, suggest_name
from ganzoo_core.zoo.metrics import METRICS
from ganzoo_core.zoo.quarantine import stdout_to_stderr
from ganzoo_core.zoo.specs import (
    KINDS,
    CapabilitySpec,
    CompositionSpec,
    DatasetSpec,
    EvaluatorSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    Spec,
    TermSpec,
    TransformSpec,
    WeightsSpec,
    spec_kind,
)
from ganzoo_core.zoo.terms import TERMS


@dataclass(frozen=True)
class ZooEntry:
    """One line of `ganzoo list`: a working spec, or a name and the reason why it is broken."""

    kind: str
    name: str
    spec: Spec | None
    origin: str
    error: str = ""


_SpecT = TypeVar("_SpecT", bound=Spec)


def _find_by_name(kind: str, cls: type[_SpecT]) -> Callable[[Zoo, str], _SpecT]:
    """Make a method that returns the spec of a name; it raises as `Zoo.find_spec`."""

    def find(self: Zoo, name: str) -> _SpecT:
        spec = self.find_spec(kind, name)
        assert isinstance(spec, cls)
        return spec

    return find


class Zoo:
    """All installed entries. Construction never fails; looking up a name may."""

    _model = _find_by_name("model", ModelSpec)
    _composition = _find_by_name("composition", CompositionSpec)
    dataset = _find_by_name("dataset", DatasetSpec)
    evaluator = _find_by_name("evaluator", EvaluatorSpec)
    weights = _find_by_name("weights", WeightsSpec)
    loss = _find_by_name("loss", LossSpec)
    term = _find_by_name("term", TermSpec)
    metric = _find_by_name("metric", MetricSpec)
    transform = _find_by_name("transform", TransformSpec)
    capability = _find_by_name("capability", CapabilitySpec)

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self.plugins = tuple(plugins)
        self.entries = self._build_entries()

    def _build_entries(self) -> tuple[ZooEntry, ...]:
        specs_by_name: dict[tuple[str, str], list[tuple[Spec, str]]] = {}
        for plugin in self.plugins:
            for spec in plugin.specs:
                key = (spec_kind(spec), spec.name)
                specs_by_name.setdefault(key, []).append((spec, plugin.origin))
        entries = [
            ZooEntry("plugin", p.name, None, p.origin, p.error) for p in self.plugins if p.error
        ]
        for (kind, name), candidates in specs_by_name.items():
            conflict = ""
            if len(candidates) > 1:
                origins = [origin for _, origin in candidates]
                conflict = f"{name!r} is {_duplicate_name_message(origins)}"
            entries += [
                ZooEntry(kind, name, None if conflict else spec, origin, conflict)
                for spec, origin in candidates
            ]
        order = [*KINDS, "plugin"]
        return tuple(sorted(entries, key=lambda e: (order.index(e.kind), e.name, e.origin)))

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind's working entries."""
        return [entry.name for entry in self.entries if entry.kind == kind and entry.spec]

    def model_names(self) -> list[str]:
        """Return what `model` takes: the names of the models, then those of the compositions."""
        return [*self.names("model"), *self.names("composition")]

    def model(self, name: str) -> ModelSpec:
        """Return a model's spec; for the name of a composition, that of its base. Raises as
        `find_spec`."""
        composition = self.composition(name)
        return self._model(composition.base if composition else name)

    def composition(self, name: str) -> CompositionSpec | None:
        """Return the spec of a composition, or None where no composition has this name.

        Raises:
            PluginError: its plugin is broken or not installed, or two plugins register the name.
        """
        for kind in ("model", "composition"):
            known = self.canonical_name(kind, name)
            if any((entry.kind, entry.name) == (kind, known) for entry in self.entries):
                return self._composition(known) if kind == "composition" else None
        from ganzoo_core.zoo import registry

        is_known = registry.find_registry_entry("composition", name)
        return self._composition(name) if is_known else None

    def evaluators(self, role: str) -> list[EvaluatorSpec]:
        """Return the specs of the evaluators for a role, sorted by name."""
        specs = [entry.spec for entry in self.entries]
        return [spec for spec in specs if isinstance(spec, EvaluatorSpec) and spec.role == role]

    def capabilities(self) -> list[CapabilitySpec]:
        """Return the specs of all capabilities, sorted by name."""
        return [self.capability(name) for name in self.names("capability")]

    def required_capabilities(self, spec: MetricSpec) -> list[str]:
        """Return the capabilities among the requirements of a metric."""
        names = self.names("capability")
        return [word for word in spec.requires if word in names]

    def role_capability(self, role: str) -> CapabilitySpec | None:
        """Return the capability that networks of a role need; None for a role without one."""
        return next((spec for spec in self.capabilities() if role and spec.role == role), None)

    def find_spec(self, kind: str, name: str) -> Spec:
        """Return the spec of an entry of any kind. Upper case, and hyphens that are left out, are
        accepted where only one name fits.

        Raises:
            PluginError: its plugin is broken or not installed, or two plugins register the name.
            UsageError: unknown name.
        """
        name = self.canonical_name(kind, name)
        matches = [entry for entry in self.entries if entry.kind == kind and entry.name == name]
        if matches and matches[0].spec:
            return matches[0].spec
        if matches:
            raise PluginError(matches[0].error)
        from ganzoo_core.zoo import registry

        known = registry.find_registry_entry(kind, name)
        possible_owners = {name, known.distribution if known else name}
        owners = [p for p in self.plugins if possible_owners & {p.name, p.distribution}]
        for plugin in owners:
            if plugin.error:
                raise PluginError(
                    f"the plugin of {name!r} is broken: {plugin.error} ({plugin.origin}); "
                    "`ganzoo plugins --debug` prints the traceback"
                )
        for plugin in owners:
            if plugin.is_disabled:
                raise PluginError(
                    f"the plugin of {name!r} is disabled: add {plugin.name} to {PLUGINS_ENV_VAR}"
                )
        if known:
            installed = f"{owners[0].origin} is installed without {name!r}" if owners else ""
            problem = installed or f"{name!r} is not installed"
            raise PluginError(f"{problem}. Install it with: {known.install}")
        kinds = {kind, "composition"} if kind == "model" else {kind}
        candidates = {e.name for e in self.entries if e.kind in kinds and e.spec}
        candidates |= {e.name for e in registry.registry_entries() if e.kind in kinds}
        message = f"there is no {kind} {name!r}.{suggest_name([kind], name, candidates)}"
        if broken := ", ".join(p.name for p in self.plugins if p.error):
            message += f" A broken plugin may provide it: {broken} (see `ganzoo plugins`)."
        raise UsageError(message)

    def canonical_name(self, kind: str, name: str) -> str:
        """Return the name of an installed entry as it is registered: `CGAN` is `cgan`. A name that
        none or several entries have is returned unchanged."""
        names = {entry.name for entry in self.entries if entry.kind == kind}
        same = [known for known in names if normal_form(known) == normal_form(name)]
        return same[0] if name not in names and len(same) == 1 else name

    def origin(self, spec: Spec) -> str:
        """Return the distribution and version that registered a spec."""
        return next((entry.origin for entry in self.entries if entry.spec is spec), "")


def _duplicate_name_message(origins: list[str]) -> str:
    if len(set(origins)) == 1:
        return f"registered {len(origins)} times by {origins[0]}: call zoo.add() for it once"
    return f"registered by {' and '.join(origins)}: uninstall one of them"


@cache
def zoo() -> Zoo:
    """Return the zoo of this process. The first call discovers the plugins."""
    core_specs = {
        "losses": LOSSES,
        "terms": TERMS,
        "metrics": METRICS,
        "capabilities": CAPABILITIES,
    }
    core_plugins = [
        Plugin(name, "ganzoo-core", __version__, specs=[*specs])
        for name, specs in core_specs.items()
    ]
    return Zoo([*core_plugins, *discover_plugins()])


def import_target(target: str) -> Any:
    """Import ``package.module:Class``.

    Raises:
        PluginError: the module cannot be imported or lacks the name.
    """
    module, _, attribute = target.partition(":")
    try:
        if module not in sys.modules:
            with stdout_to_stderr():
                importlib.import_module(module)
        return getattr(sys.modules[module], attribute)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(f"{target} cannot be imported: {error_line(error)}") from error


def has_capability(model: Any, name: str) -> bool:
    """Return whether a model has the methods of a capability.

    Raises:
        PluginError, UsageError: the capability is broken or not installed.
    """
    return isinstance(model, import_target(zoo().capability(name).target))


def package_folder(target: str) -> Path:
    """Return the folder of ``package:folder/inside``, without running the package's code.

    Raises:
        PluginError: the package or the folder does not exist.
    """
    package, _, subfolder = target.partition(":")
    module_spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if module_spec is None or not module_spec.submodule_search_locations:
        raise PluginError(f"{target}: there is no package {package!r}")
    package_root = Path(module_spec.submodule_search_locations[0]).resolve()
    folder = (package_root / subfolder).resolve()
    if not folder.is_relative_to(package_root) or not folder.is_dir():
        raise PluginError(f"{target}: {package} has no folder {subfolder!r}")
    return folder
