"""registry.toml: the catalogue of what exists, installed or not. Data only, never code.

`GANZOO_REGISTRY` adds registries of one's own, by path or URL, with commas between. They add names
and cannot take one of the catalogue's. A URL is read from its copy in the cache; what fetches it is
`ganzoo registry update`, never a lookup.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ganzoo_core.errors import suggest
from ganzoo_core.zoo.specs import FAMILIES, KINDS

EXTRA = "GANZOO_REGISTRY"
LARGEST = 2**20
"""Bytes of a registry."""
URL = re.compile(
    r"https://[^\s/?#@]+/[^\s?#]*|http://(127\.0\.0\.1|localhost)(:\d+)?/[^\s?#]*"
    r"|hf://[\w.-]+/[\w.-]+@[0-9a-f]{40}"
)
"""Where weights may lie. A revision of a hub is a commit: branches move."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model, data set or embedder."""

    kind: str
    name: str
    summary: str
    distribution: str
    install: str
    """The command that installs it, core and plugin together."""
    published: bool
    """Whether `install` works from a package index today."""
    paper: str = ""
    license: str = ""
    role: str = ""
    """Of a judge: what it judges."""
    family: str = ""
    """Of a model: one of `specs.FAMILIES`."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Weights that have a name: a bundle, or a checkpoint from elsewhere that can be imported."""

    name: str
    """``model:tag``."""
    summary: str
    license: str
    """The terms of the weights, those of their data included."""
    url: str = ""
    """Of the bundle's folder, or of the checkpoint; empty for what is not published."""
    sha256: str = ""
    """Of the bundle's ganzoo.json, or of the checkpoint; empty for what is not published."""
    form: str = "bundle"
    """bundle or checkpoint."""
    make: str = ""
    """The command that trains them."""

    @property
    def model(self) -> str:
        """The model's name in the zoo."""
        return self.name.partition(":")[0]

    @property
    def published(self) -> bool:
        """Whether they can be pulled."""
        return bool(self.url and self.sha256)


@dataclass(frozen=True)
class Registry:
    """One registry, read; rows with mistakes are left out and said in `problems`."""

    where: str
    entries: tuple[Entry, ...] = ()
    weights: tuple[Published, ...] = ()
    problems: tuple[str, ...] = field(default=())


def cache_folder() -> Path:
    """Return the cache: ``GANZOO_CACHE``, else the platform's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("GANZOO_CACHE") or user_cache_path("ganzoo"))


def copy_of(url: str) -> Path:
    """Return where the copy of a registry's URL lies."""
    return cache_folder() / "registries" / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.toml"


def is_url(where: str) -> bool:
    """Tell a URL from a path."""
    return "://" in where


def extra_places() -> list[str]:
    """Return what GANZOO_REGISTRY names."""
    return [word.strip() for word in os.environ.get(EXTRA, "").split(",") if word.strip()]


def read_registry(where: str) -> Registry:
    """Read one registry, by path or by the cached copy of its URL; whatever is wrong is a problem
    of it."""
    path = copy_of(where) if is_url(where) else Path(where).expanduser()
    try:
        if path.stat().st_size > LARGEST or not path.is_file():
            return Registry(
                where, problems=(f"{where}: no file, or larger than {LARGEST:,} bytes",)
            )
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        how = "not fetched yet: ganzoo registry update" if is_url(where) else "no such file"
        return Registry(where, problems=(f"{where}: {how}",))
    except (OSError, ValueError, RecursionError) as error:
        return Registry(where, problems=(f"{where}: not TOML: {str(error).splitlines()[0]}",))
    return parse_registry(tree, where)


def parse_registry(tree: Mapping[str, Any], where: str) -> Registry:
    """Check every row of a registry."""
    problems = [
        f"{where}: there is no table {key!r}.{suggest(key, ('entry', 'weights'))}"
        for key in tree
        if key not in {"entry", "weights"}
    ]
    entries = list(rows(Entry, tree, "entry", where, problems))
    weights = list(rows(Published, tree, "weights", where, problems))
    return Registry(where, tuple(entries), tuple(weights), tuple(problems))


Row = TypeVar("Row", Entry, Published)


def rows(
    cls: type[Row], tree: Mapping[str, Any], key: str, where: str, problems: list[str]
) -> Iterator[Row]:
    """Yield the sound rows of a table; append what is wrong with the others."""
    table = tree.get(key, [])
    if not isinstance(table, list):
        problems.append(f"{where}: {key} is no list of tables: write [[{key}]]")
        return
    seen: set[tuple[str, str]] = set()
    for number, values in enumerate(table, 1):
        name = values.get("name", "") if isinstance(values, dict) else ""
        at = f"{where}: [[{key}]] {number}{f' ({name})' if name else ''}"
        if wrong := faults(cls, values) if isinstance(values, dict) else ["it is no table"]:
            problems += [f"{at}: {fault}" for fault in wrong]
            continue
        row = cls(**values)
        place = (getattr(row, "kind", ""), row.name)
        if place in seen:
            problems.append(f"{at}: the name is there twice")
            continue
        seen.add(place)
        yield row


def faults(cls: type[Entry] | type[Published], values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with one row."""
    known = {spot.name: spot for spot in fields(cls)}
    found = [f"there is no key {key!r}.{suggest(key, known)}" for key in values if key not in known]
    for name, spot in known.items():
        wanted = bool if spot.type == "bool" else str
        if name not in values:
            found += [f"{name} is missing"] if spot.default is MISSING else []
        elif not isinstance(values[name], wanted):
            found.append(f"{name} must be {'true or false' if wanted is bool else 'text'}")
        elif wanted is str and not values[name].isprintable():
            found.append(f"{name} must be one printable line")
    if found:
        return found
    return entry_faults(values) if cls is Entry else weights_faults(values)


def entry_faults(values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a model, data set or embedder whose keys and types are right."""
    kinds = {*KINDS, "embedder"}
    found = []
    if values["kind"] not in kinds:
        found.append(f"there is no kind {values['kind']!r}.{suggest(values['kind'], kinds)}")
    if (family := values.get("family")) and family not in FAMILIES:
        found.append(f"there is no family {family!r}.{suggest(family, FAMILIES)}")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", values["name"]):
        found.append("name: lower case words joined by hyphens")
    if not re.fullmatch(r"[A-Za-z0-9]+([._-]+[A-Za-z0-9]+)*", values["distribution"]):
        found.append(f"{values['distribution']!r} is no name of a distribution")
    install = values["install"].split()
    if install[:2] != ["pip", "install"]:
        found.append("install must begin with: pip install")
    elif not values["published"] and not {".", "ganzoo-core"} & set(install):
        found.append("install must name the core and the plugin in one call: no index has them")
    if values["kind"] != "dataset" and not values.get("license"):
        found.append("license is missing")
    return found


def weights_faults(values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with weights whose keys and types are right."""
    found = []
    if not re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9][A-Za-z0-9._-]*", values["name"]):
        found.append("name: MODEL:TAG")
    url, digest = values.get("url", ""), values.get("sha256", "")
    if url and not URL.fullmatch(url):
        found.append(f"{url!r} is no address: https://..., or hf://owner/name@COMMIT (40 digits)")
    if digest and not re.fullmatch("[0-9a-f]{64}", digest):
        found.append("sha256 must be 64 hexadecimal digits")
    if url and not digest:
        found.append("a url without sha256: leave both out until the weights are published")
    form = values.get("form", "bundle")
    if form not in {"bundle", "checkpoint"}:
        found.append(f"there is no form {form!r}.{suggest(form, ('bundle', 'checkpoint'))}")
    if not values["license"]:
        found.append("license is missing")
    return found


@cache
def builtin() -> Registry:
    """Read the catalogue that ships with the package."""
    return read_registry(str(Path(__file__).parents[1] / "registry.toml"))


def registries() -> tuple[Registry, ...]:
    """Return the catalogue, then one's own registries without the names that are taken."""
    return _registries(tuple(extra_places()), cache_folder())


@cache
def _registries(places: tuple[str, ...], _: Path) -> tuple[Registry, ...]:
    found = [builtin()]
    for where in places:
        new = read_registry(where)
        taken = {(e.kind, e.name) for r in found for e in r.entries}
        named = {w.name for r in found for w in r.weights}
        clashes = [e.name for e in new.entries if (e.kind, e.name) in taken]
        clashes += [w.name for w in new.weights if w.name in named]
        found.append(
            Registry(
                where,
                tuple(e for e in new.entries if (e.kind, e.name) not in taken),
                tuple(w for w in new.weights if w.name not in named),
                (*new.problems, *(f"{where}: the name {name!r} is taken" for name in clashes)),
            )
        )
    return tuple(found)


def catalogue() -> tuple[Entry, ...]:
    """Return every model, data set and embedder that a registry names."""
    return tuple(entry for registry in registries() for entry in registry.entries)


def published() -> tuple[Published, ...]:
    """Return all weights that a registry names."""
    return tuple(weights for registry in registries() for weights in registry.weights)


def known(kind: str, name: str) -> Entry | None:
    """Return the catalogue's row for a name, or None."""
    return next((e for e in catalogue() if (e.kind, e.name) == (kind, name)), None)
