"""The house keeps its shape: imports run downward, files stay short, no plugin is named."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganzoo_core
from ganzoo_core.testing.public import MODULES

CORE = Path(ganzoo_core.__file__).parent
ROOT = CORE.parent
PLUGINS = sorted(p for p in (ROOT / "plugins").glob("*/ganzoo_*") if p.is_dir())

ROOMS = {
    "errors": set(),
    "zoo": set(),
    "config": {"zoo"},
    "interfaces": set(),
    "losses": {"interfaces"},
    "files": {"interfaces"},
    "data": {"interfaces", "files"},
    "engine": {"interfaces", "data", "config", "files"},
    "weights": {"interfaces", "config", "zoo", "files"},
    "metrics": {"interfaces", "data", "files", "weights", "zoo"},
    "report": {"files"},
}
"""Room -> rooms it may import, as in docs/architecture.md; `errors` may be imported anywhere."""
ABOVE = set(ROOMS)
for room in ("runs", "testing", "scaffold", "cli"):  # each may import all rooms above it
    ROOMS[room] = set(ABOVE)
    ABOVE.add(room)


def sources(folder):
    return sorted(folder.rglob("*.py"))


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path, typing=False):
    """Yield the modules that a file imports, TYPE_CHECKING blocks aside, absolute."""
    parsed = tree(path)
    hidden = {
        id(inner)
        for node in ast.walk(parsed)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(parsed):
        if id(node) in hidden and not typing:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module):
    parts = module.split(".")
    return parts[1] if parts[0] == "ganzoo_core" and len(parts) > 1 else ""


@pytest.mark.parametrize("path", sources(CORE), ids=lambda p: str(p.relative_to(CORE)))
def test_imports_run_downward(path):
    parts = path.relative_to(CORE).parts
    room = parts[0].removesuffix(".py") if len(parts) == 1 else parts[0]
    if room == "__init__":
        return
    assert room in ROOMS, f"{room} has no line in the table of rooms"
    for module in imported(path):
        other = room_of(module)
        if other in ROOMS and other not in {room, "errors"}:
            assert other in ROOMS[room], f"{path}: {room} may not import {module}"


@pytest.mark.parametrize("room", ["zoo", "errors"])
def test_the_zoo_needs_neither_torch_nor_pydantic(room):
    folder = CORE / room
    for path in sources(folder) if folder.is_dir() else [folder.with_suffix(".py")]:
        heavy = {m.split(".")[0] for m in imported(path)} & {"torch", "pydantic", "numpy", "rich"}
        assert not heavy, f"{path} imports {heavy}"


def test_importing_the_core_imports_no_torch():
    code = (
        "import sys, ganzoo_core, ganzoo_core.zoo, ganzoo_core.runs; "
        "from ganzoo_core import ModelSpec, hookimpl, GanzooError; "
        "sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_core_names_no_plugin():
    packages = {p.name for p in PLUGINS}
    assert "ganzoo_cgan" in packages
    for path in sources(CORE):
        found = packages & set(re.findall(r"ganzoo_\w+", path.read_text(encoding="utf-8")))
        assert not found, f"{path} names {found}"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
def test_a_plugin_imports_public_names_and_no_other_plugin(plugin):
    public = {"", *ROOMS}
    for path in sources(plugin):
        for module in imported(path):
            first = module.split(".")[0]
            if first.startswith("ganzoo_") and first != plugin.name:
                assert first == "ganzoo_core", f"{path} imports another plugin: {module}"
                inside = module.split(".")
                deep = len(inside) > 3 and ".".join(inside[1:3]) not in MODULES
                assert not deep, f"{path} reaches into a room: {module}"
                assert room_of(module) in public | set(ganzoo_core.__all__), module


ALL = [path for folder in (CORE, *PLUGINS) for path in sources(folder)]


@pytest.mark.parametrize("path", ALL, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{path}: {node.name} is long"


def undocumented(node, inside=""):
    """Yield the public functions and classes, and their public methods, without a docstring."""
    for child in node.body:
        if not isinstance(child, ast.FunctionDef | ast.ClassDef) or child.name.startswith("_"):
            continue
        if ast.get_docstring(child) is None:
            yield f"{inside}{child.name}"
        if isinstance(child, ast.ClassDef):
            yield from undocumented(child, f"{child.name}.")


@pytest.mark.parametrize("path", sources(CORE), ids=lambda p: str(p.relative_to(CORE)))
def test_every_public_name_has_a_docstring(path):
    assert ast.get_docstring(tree(path)), f"{path} does not say what it is for"
    assert list(undocumented(tree(path))) == []


def test_benchmarks_say_what_is_wrong_in_one_line():
    scripts = [
        path for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text()
    ]
    for path in scripts:
        assert "with reported():" in path.read_text(), path.name
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "foreseeable.py", "-n", "8", "--run", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode > 1
    assert "Traceback" not in done.stderr
    assert "nowhere" in done.stderr.splitlines()[-1]
