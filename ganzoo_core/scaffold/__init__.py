"""`ganzoo new`: a whole plugin distribution out of the files in `templates/`.

The templates are a working plugin called `my-plugin`; making one of another name replaces its
three spellings. Nothing here needs torch.
"""

from __future__ import annotations

import builtins
import importlib.metadata
import importlib.util
import keyword
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import ganzoo_core
from ganzoo_core.errors import OutputError, UsageError, suggest
from ganzoo_core.zoo import catalogue, zoo

TEMPLATES = Path(__file__).parent / "templates"
KINDS = ("gan", "image-to-image", "dataset", "loss", "metric", "embedder")
PACKAGE = "ganzoo_my_plugin"
PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/test.yml",
    "init.py": f"{PACKAGE}/__init__.py",
    "test.py": "tests/test_my_plugin.py",
}
"""Where a template's file goes; the others go into the package."""
LONGEST = 40


def spellings(name: str) -> dict[str, str]:
    """Return what stands in the templates, and what shall stand there."""
    words = name.split("-")
    return {
        "my-plugin": name,
        "my_plugin": "_".join(words),
        "MyPlugin": "".join(word.capitalize() for word in words),
    }


def create(name: str, kind: str, out: Path) -> Path:
    """Write a plugin distribution into a new folder; return it.

    Raises:
        UsageError: the name does not do, or there is no such kind.
        OutputError: the folder exists, or cannot be written.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}.{suggest(kind, KINDS)}")
    check_name(name)
    if out.exists() or out.is_symlink():
        raise OutputError(f"{out} exists: name another folder with --out")
    try:
        for path, text in files(name, kind).items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_text(text, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(out, ignore_errors=True)
        raise OutputError(f"{error.filename or out}: {error.strerror}") from None
    return out


def files(name: str, kind: str) -> dict[str, str]:
    """Return every file of a distribution: its path and its text."""
    words, found = spellings(name), {}
    for folder in ("common", kind.replace("-", "_")):
        for path in sorted((TEMPLATES / folder).iterdir()):
            if path.is_file():
                place = PLACES.get(path.name, f"{PACKAGE}/{path.name}")
                found[filled(place, words)] = filled(path.read_text(encoding="utf-8"), words)
    return found


def filled(text: str, words: Mapping[str, str]) -> str:
    """Return a template with the plugin's own name."""
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def check_name(name: str) -> None:
    """Refuse a name that no plugin can have, or that is taken.

    Raises:
        UsageError: says why, and what would do.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > LONGEST:
        raise UsageError(
            f"{name!r} is no name for a plugin: lower case words joined by hyphens, such as "
            f"my-gan, {LONGEST} letters at most"
        )
    words = spellings(name)
    module, cls = words["my_plugin"], words["MyPlugin"]
    if name.split("-", maxsplit=1)[0] == "ganzoo":
        raise UsageError(f"leave the word ganzoo out of {name!r}: the distribution is ganzoo-NAME")
    if module in sys.stdlib_module_names or keyword.iskeyword(module):
        raise UsageError(f"{name!r} is a word of Python itself: choose another name")
    if cls in {*ganzoo_core.__all__, *dir(builtins), *keyword.kwlist}:
        raise UsageError(f"{name!r} would make a class {cls}, which there is: choose another name")
    known = {row.name: row.origin for row in zoo().rows if row.kind != "plugin"}
    known |= {entry.name: entry.distribution for entry in catalogue() if entry.name not in known}
    known |= {plugin.name: plugin.origin for plugin in zoo().plugins if plugin.name not in known}
    if name in known:
        raise UsageError(f"the name {name!r} is taken, by {known[name]}: choose another name")
    if importlib.util.find_spec(f"ganzoo_{module}") or installed(f"ganzoo-{name}"):
        raise UsageError(f"there is a package ganzoo_{module} already: choose another name")


def installed(distribution: str) -> bool:
    """Tell whether a distribution is installed."""
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
