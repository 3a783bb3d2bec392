"""registry.toml: known models, data sets and weights, installed or not. Data only, never code.

`GANZOO_REGISTRY` names further registries, paths or URLs separated by commas. They add names but
cannot replace those of registry.toml. Lookups read a URL from its cached copy; only `ganzoo
registry update` downloads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ganzoo_core import limits
from ganzoo_core.errors import suggest
from ganzoo_core.zoo.cache import cache_folder
from ganzoo_core.zoo.specs import FAMILIES, KINDS

REGISTRY_ENV_VAR = "GANZOO_REGISTRY"
MAX_REGISTRY_BYTES = limits.REGISTRY_BYTES
# Not compiled here: `ganzoo --help` does not need them.
_WEIGHTS_URL_PATTERN = (
    r"https://[^\s/?#@]+/[^\s?#]*|http://(127\.0\.0\.1|localhost)(:\d+)?/[^\s?#]*"
    r"|hf://[\w.-]+/[\w.-]+@[0-9a-f]{40}"
)
"""Accepted addresses of weights. A hub revision must be a commit, because branches move."""
_NAME_PATTERN = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_INSTALL_WORD_PATTERN = (
    rf"-e|\.|(\./)?[\w-][\w.-]*(/[\w-][\w.-]*)*/?"
    rf"|{_NAME_PATTERN}(\[{_NAME_PATTERN}(,{_NAME_PATTERN})*\])?(==[A-Za-z0-9][A-Za-z0-9.+!-]*)?"
)
"""One word after ``pip install``: a folder, or a requirement of PEP 508 without what a shell or
pip could read otherwise (options, URLs, markers, redirections)."""


WEIGHTS_FORMATS = ("pretrained", "checkpoint")


@dataclass(frozen=True, kw_only=True)
class RegistryEntry:
    """A model, data set or other entry."""

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
    """Only for evaluators: `EvaluatorSpec.role`."""
    family: str = ""
    """Only for models: one of `specs.FAMILIES`."""


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """Named weights: a pretrained folder, or a checkpoint of another project to convert."""

    name: str
    """``model:tag``."""
    summary: str
    license: str
    """License of the weights, which includes the terms of their training data."""
    url: str = ""
    """Of the pretrained folder or the checkpoint; empty if not published."""
    sha256: str = ""
    """Of ganzoo.json in the pretrained folder, or of the checkpoint; empty if not published."""
    weights_format: str = "pretrained"
    """One of `WEIGHTS_FORMATS`."""
    train_command: str = ""
    """The command that trains them."""

    @property
    def model(self) -> str:
        """Name of the model in the zoo."""
        return self.name.partition(":")[0]

    @property
    def is_published(self) -> bool:
        """Whether `ganzoo weights pull` can download them."""
        return bool(self.url and self.sha256)


@dataclass(frozen=True)
class Registry:
    """The content of one registry. Invalid rows are left out and described in `problems`."""

    location: str
    entries: tuple[RegistryEntry, ...] = ()
    weights: tuple[PublishedWeights, ...] = ()
    problems: tuple[str, ...] = field(default=())


def cached_copy_path(url: str) -> Path:
    """Return the path of the cached copy of a registry URL."""
    import hashlib

    return cache_folder() / "registries" / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.toml"


def is_url(location: str) -> bool:
    """Return whether a location is a URL, not a path."""
    return "://" in location


def extra_registry_locations() -> list[str]:
    """Return the locations in GANZOO_REGISTRY."""
    return [
        word.strip() for word in os.environ.get(REGISTRY_ENV_VAR, "").split(",") if word.strip()
    ]


def read_registry(location: str) -> Registry:
    """Read one registry from its path or the cached copy of its URL.

    Errors are returned in `problems`.
    """
    import tomllib

    path = cached_copy_path(location) if is_url(location) else Path(location).expanduser()
    try:
        if path.stat().st_size > MAX_REGISTRY_BYTES or not path.is_file():
            return Registry(
                location,
                problems=(f"{location}: not a file, or over {MAX_REGISTRY_BYTES:,} bytes",),
            )
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        reason = (
            "not downloaded yet: run ganzoo registry update" if is_url(location) else "no such file"
        )
        return Registry(location, problems=(f"{location}: {reason}",))
    except (OSError, ValueError, RecursionError) as error:
        return Registry(location, problems=(f"{location}: not TOML: {str(error).splitlines()[0]}",))
    return parse_registry(tree, location)


def parse_registry(tree: Mapping[str, Any], location: str) -> Registry:
    """Validate every row of a registry."""
    problems = [
        f"{location}: there is no table {key!r}.{suggest(key, ('entry', 'weights'))}"
        for key in tree
        if key not in {"entry", "weights"}
    ]
    entries = list(_parse_rows(RegistryEntry, tree, "entry", location, problems))
    weights = list(_parse_rows(PublishedWeights, tree, "weights", location, problems))
    return Registry(location, tuple(entries), tuple(weights), tuple(problems))


_RowT = TypeVar("_RowT", RegistryEntry, PublishedWeights)


def _parse_rows(
    cls: type[_RowT], tree: Mapping[str, Any], key: str, location: str, problems: list[str]
) -> Iterator[_RowT]:
    """Yield the valid rows of a table; append an error to `problems` for each other row."""
    table = tree.get(key, [])
    if not isinstance(table, list):
        problems.append(f"{location}: {key} is not a list of tables: write [[{key}]]")
        return
    seen: set[tuple[str, str]] = set()
    for row_number, values in enumerate(table, 1):
        name = values.get("name", "") if isinstance(values, dict) else ""
        row_label = f"{location}: [[{key}]] {row_number}{f' ({name})' if name else ''}"
        errors = _row_problems(cls, values) if isinstance(values, dict) else ["not a table"]
        if errors:
            problems += [f"{row_label}: {error}" for error in errors]
            continue
        row = cls(**values)
        entry_key = (getattr(row, "kind", ""), row.name)
        if entry_key in seen:
            problems.append(f"{row_label}: duplicate name")
            continue
        seen.add(entry_key)
        yield row


def _row_problems(
    cls: type[RegistryEntry] | type[PublishedWeights], values: Mapping[str, Any]
) -> list[str]:
    """Return the errors of one row."""
    fields_by_name = {f.name: f for f in fields(cls)}
    problems = [
        f"there is no key {key!r}.{suggest(key, fields_by_name)}"
        for key in values
        if key not in fields_by_name
    ]
    for name, dataclass_field in fields_by_name.items():
        expected_type = bool if dataclass_field.type == "bool" else str
        if name not in values:
            problems += [f"{name} is missing"] if dataclass_field.default is MISSING else []
        elif not isinstance(values[name], expected_type):
            problems.append(
                f"{name} must be {'true or false' if expected_type is bool else 'a string'}"
            )
        elif expected_type is str and not values[name].isprintable():
            problems.append(f"{name} must be one printable line")
    if problems:
        return problems
    return _entry_problems(values) if cls is RegistryEntry else _weights_problems(values)


def _entry_problems(values: Mapping[str, Any]) -> list[str]:
    """Return the errors of an entry whose keys and types are valid."""
    problems = []
    if values["kind"] not in KINDS:
        problems.append(f"there is no kind {values['kind']!r}.{suggest(values['kind'], KINDS)}")
    if (family := values.get("family")) and family not in FAMILIES:
        problems.append(f"there is no family {family!r}.{suggest(family, FAMILIES)}")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", values["name"]):
        problems.append("name must be lower case words joined by hyphens")
    if not re.fullmatch(r"[A-Za-z0-9]+([._-]+[A-Za-z0-9]+)*", values["distribution"]):
        problems.append(f"{values['distribution']!r} is not a valid distribution name")
    install = values["install"].split()
    if install[:2] != ["pip", "install"]:
        problems.append("install must start with: pip install")
    elif unsafe := next(
        (w for w in install[2:] if not re.fullmatch(_INSTALL_WORD_PATTERN, w, re.ASCII)), None
    ):
        problems.append(
            f"install has {unsafe!r}: only -e, folders below this one and names with extras and "
            "versions, such as ganzoo-vae==0.3, are allowed"
        )
    elif not values["published"] and not {".", "ganzoo-core"} & set(install):
        problems.append(
            "install must name the core and the plugin in one command, since neither is published"
        )
    if values["kind"] != "dataset" and not values.get("license"):
        problems.append("license is missing")
    return problems


def _weights_problems(values: Mapping[str, Any]) -> list[str]:
    """Return the errors of a weights row whose keys and types are valid."""
    problems = []
    if not re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9][A-Za-z0-9._-]*", values["name"]):
        problems.append("name must be MODEL:TAG")
    url, sha256 = values.get("url", ""), values.get("sha256", "")
    if url and not re.fullmatch(_WEIGHTS_URL_PATTERN, url):
        problems.append(
            f"{url!r} is not a valid url: use https://... or hf://owner/name@COMMIT (40 digits)"
        )
    if sha256 and not re.fullmatch("[0-9a-f]{64}", sha256):
        problems.append("sha256 must be 64 hexadecimal digits")
    if url and not sha256:
        problems.append("url needs sha256: leave both out until the weights are published")
    if (kind := values.get("weights_format")) and kind not in WEIGHTS_FORMATS:
        problems.append(f"there is no weights_format {kind!r}.{suggest(kind, WEIGHTS_FORMATS)}")
    if not values["license"]:
        problems.append("license is missing")
    return problems


@cache
def builtin_registry() -> Registry:
    """Return the registry.toml of the package."""
    return read_registry(str(Path(__file__).parents[1] / "registry.toml"))


def registries() -> tuple[Registry, ...]:
    """Return registry.toml, then the registries of GANZOO_REGISTRY without names that are taken."""
    return _load_registries(tuple(extra_registry_locations()), cache_folder())


@cache
def _load_registries(locations: tuple[str, ...], _: Path) -> tuple[Registry, ...]:
    found = [builtin_registry()]
    for location in locations:
        new = read_registry(location)
        taken = {(e.kind, e.name) for r in found for e in r.entries}
        weights_names = {w.name for r in found for w in r.weights}
        conflicts = [e.name for e in new.entries if (e.kind, e.name) in taken]
        conflicts += [w.name for w in new.weights if w.name in weights_names]
        found.append(
            Registry(
                location,
                tuple(e for e in new.entries if (e.kind, e.name) not in taken),
                tuple(w for w in new.weights if w.name not in weights_names),
                (*new.problems, *(f"{location}: the name {name!r} is taken" for name in conflicts)),
            )
        )
    return tuple(found)


def registry_entries() -> tuple[RegistryEntry, ...]:
    """Return the entries of all registries."""
    return tuple(entry for registry in registries() for entry in registry.entries)


def published_weights() -> tuple[PublishedWeights, ...]:
    """Return the weights of all registries."""
    return tuple(weights for registry in registries() for weights in registry.weights)


def find_registry_entry(kind: str, name: str) -> RegistryEntry | None:
    """Return the row of an entry, or None."""
    return next((e for e in registry_entries() if (e.kind, e.name) == (kind, name)), None)
