"""registry.toml: the catalogue of what exists, installed or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the catalogue."""

    kind: str
    name: str
    summary: str
    distribution: str
    install: str
    """The command that installs it."""
    published: bool
    """Whether `install` works from a package index today."""
    paper: str = ""
    license: str = ""
    role: str = ""
    """Of a judge: what it judges."""


@cache
def catalogue() -> tuple[Entry, ...]:
    """Read the catalogue that ships with the package."""
    import tomllib

    text = (Path(__file__).parents[1] / "registry.toml").read_text(encoding="utf-8")
    return tuple(Entry(**row) for row in tomllib.loads(text)["entry"])


def known(kind: str, name: str) -> Entry | None:
    """Return the catalogue's row for a name, or None."""
    return next((e for e in catalogue() if (e.kind, e.name) == (kind, name)), None)
