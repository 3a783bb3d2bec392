"""`ganzoo new`: create a plugin distribution from the files in `templates/`.

The templates are a working plugin called `my-plugin`; its three spellings are replaced by those of
the new name. Imports no torch.
"""

from __future__ import annotations

import builtins
import importlib.metadata
import importlib.util
import keyword
import re
import shutil
import sys
from pathlib import Path

import ganzoo_core
from ganzoo_core.errors import OutputError, UsageError, suggest
from ganzoo_core.zoo import registry_entries, zoo
from ganzoo_core.zoo.compositions import composition_text

TEMPLATES = Path(__file__).parent / "templates"
KINDS = (
    "gan",
    "composition",
    "image-to-image",
    "dataset",
    "loss",
    "term",
    "metric",
    "embedder",
)
_DEFAULT_BASE = "sngan"
_PLACEHOLDER_PACKAGE = "ganzoo_my_plugin"
_DESTINATIONS = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/test.yml",
    "init.py": f"{_PLACEHOLDER_PACKAGE}/__init__.py",
    "test.py": "tests/test_my_plugin.py",
    "composition.toml": f"{_PLACEHOLDER_PACKAGE}/compositions/my-plugin.toml",
}
"""Destination by template file; other files go into the package."""
_MAX_NAME_LENGTH = 40


def _name_replacements(name: str) -> dict[str, str]:
    """Return the replacement of each placeholder in the templates."""
    words = name.split("-")
    return {
        "my-plugin": name,
        "my_plugin": "_".join(words),
        "MyPlugin": "".join(word.capitalize() for word in words),
    }


def create_plugin(name: str, kind: str, folder: Path, source: str = "") -> Path:
    """Write a plugin distribution into a new folder; return it.

    Args:
        name: of the plugin, and of what it registers.
        kind: one of `KINDS`.
        folder: of the distribution.
        source: the model or the composition that a composition starts from.

    Raises:
        PluginError: the source is not installed.
        UsageError: an invalid name, or an unknown kind or source.
        OutputError: the folder exists or cannot be written.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}.{suggest(kind, KINDS)}")
    _check_name(name)
    files = render_files(name, kind)
    if kind == "composition":
        files = _start_from(source or _DEFAULT_BASE, files)
    if folder.exists() or folder.is_symlink():
        raise OutputError(f"{folder} exists: choose another folder with --out")
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise OutputError(f"{error.filename or folder}: {error.strerror}") from None
    return folder


def render_files(name: str, kind: str) -> dict[str, str]:
    """Return the text of every file of a distribution, by path."""
    texts = {}
    for folder in ("common", kind.replace("-", "_")):
        for path in sorted((TEMPLATES / folder).iterdir()):
            if path.is_file():
                destination = _DESTINATIONS.get(path.name, f"{_PLACEHOLDER_PACKAGE}/{path.name}")
                texts[destination] = path.read_text(encoding="utf-8")
    for old, new in _name_replacements(name).items():
        texts = {path.replace(old, new): text.replace(old, new) for path, text in texts.items()}
    return texts


def _start_from(source: str, files: dict[str, str]) -> dict[str, str]:
    """Return the files of a composition with its base in place of the placeholder, or with the
    options of another composition.

    Raises:
        PluginError: the source is not installed.
        UsageError: there is no such model or composition.
    """
    spec, composition = zoo().model(source), zoo().composition(source)
    requirement = f', "{zoo().origin(spec).partition(" ")[0]}"]'
    project = files["pyproject.toml"].replace('<0.2"]', f'<0.2"{requirement}')
    table = next(path for path in files if path.endswith(".toml") and "/" in path)
    text = composition_text(composition) if composition else ""
    return {
        **files,
        "pyproject.toml": project,
        table: text or files[table].replace("BASE", spec.name),
    }


def _check_name(name: str) -> None:
    """Check that a name is valid and free.

    Raises:
        UsageError: the reason, and the remedy.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > _MAX_NAME_LENGTH:
        raise UsageError(
            f"{name!r} is not a valid name: use lower case words joined by hyphens, such as "
            f"my-gan, of at most {_MAX_NAME_LENGTH} characters"
        )
    replacements = _name_replacements(name)
    module, class_name = replacements["my_plugin"], replacements["MyPlugin"]
    if name.split("-", maxsplit=1)[0] == "ganzoo":
        raise UsageError(
            f"{name!r} starts with ganzoo: leave it out, the distribution is called ganzoo-NAME"
        )
    if module in sys.stdlib_module_names or keyword.iskeyword(module):
        raise UsageError(f"{name!r} is a module or keyword of Python: choose another name")
    if class_name in {*ganzoo_core.__all__, *dir(builtins), *keyword.kwlist}:
        raise UsageError(
            f"{name!r} would define a class {class_name}, which exists: choose another name"
        )
    taken_names = {row.name: row.origin for row in zoo().entries if row.kind != "plugin"}
    taken_names |= {
        entry.name: entry.distribution
        for entry in registry_entries()
        if entry.name not in taken_names
    }
    taken_names |= {
        plugin.name: plugin.origin for plugin in zoo().plugins if plugin.name not in taken_names
    }
    if name in taken_names:
        raise UsageError(f"the name {name!r} is taken, by {taken_names[name]}: choose another name")
    if importlib.util.find_spec(f"ganzoo_{module}") or _is_installed(f"ganzoo-{name}"):
        raise UsageError(f"a package ganzoo_{module} is already installed: choose another name")


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
