"""The zoo: every spec of every plugin, and the way from a name to its code."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ganzoo_core import __version__
from ganzoo_core.errors import PluginError, UsageError, suggest
from ganzoo_core.zoo import registry
from ganzoo_core.zoo.discovery import SWITCH, Plugin, discover
from ganzoo_core.zoo.losses import LOSSES
from ganzoo_core.zoo.metrics import METRICS
from ganzoo_core.zoo.specs import (
    KINDS,
    DatasetSpec,
    JudgeSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    Spec,
    kind_of,
)


@dataclass(frozen=True)
class Row:
    """One line of `ganzoo list`: a spec that works, or a name that is broken and why."""

    kind: str
    name: str
    spec: Spec | None
    origin: str
    error: str = ""


class Zoo:
    """All that is installed. Looking up a name is the only thing that can fail."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self.plugins = tuple(plugins)
        self.rows = self._rows()

    def _rows(self) -> tuple[Row, ...]:
        owners: dict[tuple[str, str], list[tuple[Spec, str]]] = {}
        for plugin in self.plugins:
            for spec in plugin.specs:
                owners.setdefault((kind_of(spec), spec.name), []).append((spec, plugin.origin))
        rows = [Row("plugin", p.name, None, p.origin, p.error) for p in self.plugins if p.error]
        for (kind, name), claims in owners.items():
            clash = ""
            if len(claims) > 1:
                clash = f"{name!r} is {rivals([origin for _, origin in claims])}"
            rows += [Row(kind, name, None if clash else spec, o, clash) for spec, o in claims]
        order = [*KINDS, "plugin"]
        return tuple(sorted(rows, key=lambda row: (order.index(row.kind), row.name, row.origin)))

    def names(self, kind: str) -> list[str]:
        """Names of a kind that work."""
        return [row.name for row in self.rows if row.kind == kind and row.spec]

    def model(self, name: str) -> ModelSpec:
        """Return a model's spec.

        Raises:
            PluginError: its plugin is broken, claimed twice, or not installed.
            UsageError: nobody knows the name.
        """
        spec = self.find("model", name)
        assert isinstance(spec, ModelSpec)
        return spec

    def dataset(self, name: str) -> DatasetSpec:
        """Return a data set's spec; raises as `model` does."""
        spec = self.find("dataset", name)
        assert isinstance(spec, DatasetSpec)
        return spec

    def judge(self, name: str) -> JudgeSpec:
        """Return the spec of a judge that a plugin ships; raises as `model` does."""
        spec = self.find("judge", name)
        assert isinstance(spec, JudgeSpec)
        return spec

    def judges(self, role: str) -> list[JudgeSpec]:
        """Return the judges that plugins ship for a role, by name."""
        specs = [row.spec for row in self.rows]
        return [spec for spec in specs if isinstance(spec, JudgeSpec) and spec.role == role]

    def loss(self, name: str) -> LossSpec:
        """Return a loss's spec; raises as `model` does."""
        spec = self.find("loss", name)
        assert isinstance(spec, LossSpec)
        return spec

    def metric(self, name: str) -> MetricSpec:
        """Return a metric's spec; raises as `model` does."""
        spec = self.find("metric", name)
        assert isinstance(spec, MetricSpec)
        return spec

    def find(self, kind: str, name: str) -> Spec:
        """Return the spec of any kind of entry; raises as `model` does."""
        rows = [row for row in self.rows if row.kind == kind and row.name == name]
        if rows and rows[0].spec:
            return rows[0].spec
        if rows:
            raise PluginError(rows[0].error)
        entry = registry.known(kind, name)
        suspects = {name, entry.distribution if entry else name}
        broken = [p for p in self.plugins if p.error and suspects & {p.name, p.distribution}]
        if broken:
            raise PluginError(
                f"the plugin of {name!r} is broken: {broken[0].error} ({broken[0].origin}); "
                "`ganzoo plugins --debug` shows where"
            )
        off = [p for p in self.plugins if p.off and suspects & {p.name, p.distribution}]
        if off:
            raise PluginError(
                f"the plugin of {name!r} is switched off: add {off[0].name} to {SWITCH}"
            )
        if entry:
            raise PluginError(f"{name!r} is not installed. Install it with: {entry.install}")
        everyone = {*self.names(kind), *(e.name for e in registry.catalogue() if e.kind == kind)}
        maybe = ", ".join(p.name for p in self.plugins if p.error)
        hint = f" A broken plugin may have it: {maybe} (see `ganzoo plugins`)." if maybe else ""
        raise UsageError(f"there is no {kind} {name!r}.{suggest(name, everyone)}{hint}")

    def origin(self, spec: Spec) -> str:
        """Return the distribution and version that a spec comes from."""
        return next((row.origin for row in self.rows if row.spec is spec), "")


def rivals(origins: list[str]) -> str:
    """Say who claims one name, and what to do about it."""
    if len(set(origins)) == 1:
        return f"registered {len(origins)} times by {origins[0]}: let its zoo.add() name it once"
    return f"claimed by {' and '.join(origins)}: uninstall one of them"


@cache
def zoo() -> Zoo:
    """Return the zoo of this process; plugins are discovered at the first call."""
    own = {"losses": LOSSES, "metrics": METRICS}
    core = [Plugin(name, "ganzoo-core", __version__, specs=[*specs]) for name, specs in own.items()]
    return Zoo([*core, *discover()])


def resolve(target: str) -> Any:
    """Import ``package.module:Class``.

    Raises:
        PluginError: the module does not import or lacks the name.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise PluginError(f"{target} cannot be imported: {reason}") from error


def package_folder(target: str) -> Path:
    """Return the folder ``package:folder/inside`` names; the package's own code is not run.

    Raises:
        PluginError: there is no such package or folder.
    """
    package, _, inside = target.partition(":")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise PluginError(f"{target}: there is no package {package!r}")
    home = Path(found.submodule_search_locations[0]).resolve()
    folder = (home / inside).resolve()
    if not folder.is_relative_to(home) or not folder.is_dir():
        raise PluginError(f"{target}: {package} holds no folder {inside!r}")
    return folder
