"""Find the entry points of plugins in the metadata of the distributions on `sys.path`.

`importlib.metadata` takes a quarter of the time of `ganzoo --help`: it imports a mail parser and
parses every distribution, and one malformed file ends its scan. This scan reads the metadata of
plugins only, and an error stays with its distribution.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ganzoo_core.errors import error_line

ENTRY_POINT_GROUP = "ganzoo.plugins"
_TARGET = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+)\s*)?(?:\[.*\])?")
"""``module:attribute``, and extras, which are ignored."""
_SEPARATORS = re.compile("[-_.]+")


class EntryPoint(NamedTuple):
    """One entry point, or a distribution whose entry_points.txt is malformed."""

    name: str
    distribution: str
    target: str
    """``package.module`` or ``package.module:attribute``."""
    version: str
    error: str = ""


def find_entry_points() -> list[EntryPoint]:
    """Return the entry points of all plugins, sorted by name, then distribution.

    Of several copies of a distribution the first on `sys.path` counts.
    """
    found, names = [], set()
    for folder in sys.path:
        for info in _metadata_folders(folder):
            name = _SEPARATORS.sub("-", info.stem.partition("-")[0]).lower()
            if name not in names:
                names.add(name)
                found += _read_entry_points(info)
    return sorted(set(found))


def _metadata_folders(folder: str) -> list[Path]:
    try:
        children = list(Path(folder or ".").iterdir())
    except OSError:  # not a folder, or not there
        return []
    return sorted(path for path in children if path.name.endswith((".dist-info", ".egg-info")))


def _read_entry_points(info: Path) -> list[EntryPoint]:
    path = info / "entry_points.txt"
    try:
        data = path.read_bytes()
    except OSError:  # most distributions have none
        return []
    if ENTRY_POINT_GROUP.encode() not in data:
        return []
    name, version = _read_name_and_version(info)
    try:
        lines = _lines_of_group(data.decode())
        return [EntryPoint(key, name, target, version) for key, target in lines]
    except ValueError as error:
        return [EntryPoint(name, name, "", version, f"{path} is malformed ({error_line(error)})")]


def _lines_of_group(text: str) -> Iterator[tuple[str, str]]:
    """Yield the names and targets of the plugins.

    Raises:
        ValueError: a line is not ``name = module:attribute``.
    """
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif section == ENTRY_POINT_GROUP and line and not line.startswith("#"):
            name, _, value = (part.strip() for part in line.partition("="))
            target = _TARGET.fullmatch(value)
            if not (name and target):
                raise ValueError(f"{line!r} is not name = module:attribute")
            yield name, ":".join(filter(None, target.groups()))


def _read_name_and_version(info: Path) -> tuple[str, str]:
    """Return the name and the version from the head of METADATA, or of PKG-INFO in .egg-info."""
    headers: dict[str, str] = {}
    path = info / ("METADATA" if info.suffix == ".dist-info" else "PKG-INFO")
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            key, colon, value = line.partition(":")
            if not colon:  # the blank line before the description
                break
            headers.setdefault(key, value.strip())
    return headers.get("Name") or info.name.partition("-")[0], headers.get("Version", "")
