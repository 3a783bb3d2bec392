"""Imports follow docs/explanation/architecture.md, and the core names no plugin."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ganzoo_core
from ganzoo_core.testing.public_api import PUBLIC_MODULES

CORE = Path(ganzoo_core.__file__).parent
ROOT = CORE.parent
PLUGINS = sorted(p for p in (ROOT / "plugins").glob("*/ganzoo_*") if p.is_dir())

DOMAIN_PLUGINS = {"ganzoo_face_aging", "ganzoo_sweep"}
"""Plugins that others may import, if they declare it: they register no model."""

ALLOWED_IMPORTS = {
    "errors": set(),
    "terminal": set(),
    "limits": set(),
    "zoo": set(),
    "config": {"zoo", "files"},
    "interfaces": set(),
    "layers": set(),
    "losses": {"interfaces", "layers"},
    "files": set(),
    "data": {"interfaces", "files", "zoo"},
    "engine": {"interfaces", "data", "config", "files"},
    "weights": {"interfaces", "config", "zoo", "files"},
    "metrics": {"interfaces", "layers", "data", "files", "weights", "zoo"},
    "report": {"files"},
}
"""Package -> packages it may import (docs/explanation/architecture.md). All may import `errors`,
`limits` and `terminal`."""
SHARED_MODULES = {"errors", "limits", "terminal"}
LOWER_PACKAGES = set(ALLOWED_IMPORTS)
for package in ("training", "evaluation", "testing", "scaffold", "cli"):  # all above may be used
    ALLOWED_IMPORTS[package] = set(LOWER_PACKAGES)
    LOWER_PACKAGES.add(package)


def python_files(folder):
    return sorted(folder.rglob("*.py"))


def parse_file(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_modules(path, include_type_checking=False):
    """Yield the modules that a file imports, without those in TYPE_CHECKING blocks."""
    parsed = parse_file(path)
    type_checking_nodes = {
        id(inner)
        for node in ast.walk(parsed)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(parsed):
        if id(node) in type_checking_nodes and not include_type_checking:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(module):
    parts = module.split(".")
    return parts[1] if parts[0] == "ganzoo_core" and len(parts) > 1 else ""


@pytest.mark.parametrize("path", python_files(CORE), ids=lambda p: str(p.relative_to(CORE)))
def test_imports_run_downward(path):
    parts = path.relative_to(CORE).parts
    package = parts[0].removesuffix(".py") if len(parts) == 1 else parts[0]
    if package == "__init__":
        return
    assert package in ALLOWED_IMPORTS, f"{package} is not in ALLOWED_IMPORTS"
    for module in imported_modules(path):
        imported_package = package_of(module)
        if imported_package in ALLOWED_IMPORTS and imported_package not in {
            package,
            *SHARED_MODULES,
        }:
            assert imported_package in ALLOWED_IMPORTS[package], (
                f"{path}: {package} may not import {module}"
            )


STRING_TARGET = re.compile(r"(ganzoo_core(?:\.\w+)+)(?:[.:]\w*)?")
"""The text of an import that runs at its first use, ``ganzoo_core.x.y:z``, or the text before the
first brace of an f-string that makes one."""

KNOWN_CIRCULAR_IMPORTS = {
    # `Dataset.export` is a method of the interface, and its code belongs to the data package.
    ("ganzoo_core.interfaces.dataset", "ganzoo_core.data.export"),
    # `Model.save_pretrained` too: what it writes is known to the weights package.
    ("ganzoo_core.interfaces.model", "ganzoo_core.weights.share"),
    # The zoo names the core's own losses and terms, as the entry point of a plugin would.
    ("ganzoo_core.zoo.losses", "ganzoo_core.config.losses"),
    ("ganzoo_core.zoo.terms", "ganzoo_core.config.terms"),
}
"""Imports that close the circles of today; the others must close none."""


def module_imports():
    """Return the modules of the core that each module imports, those at their first use included.

    The package `ganzoo_core` itself is left out: it re-exports the public names at their first use.
    """
    files = {}
    for path in python_files(CORE):
        parts = path.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts).removesuffix(".__init__")] = path
    del files["ganzoo_core"]
    graph = {}
    for module, path in files.items():
        names = list(imported_modules(path))
        names += [
            match[1]
            for node in ast.walk(parse_file(path))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and (match := STRING_TARGET.fullmatch(node.value))
        ]
        # A module, or a name inside one.
        modules = (name if name in files else name.rpartition(".")[0] for name in names)
        graph[module] = {name for name in modules if name in files and name != module}
    return graph


def find_circle(graph):
    """Return the modules of one circle, the first one repeated at the end; empty without one."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        path.append(module)
        for imported in sorted(graph[module]):
            if circle := visit(imported):
                return circle
        done.add(path.pop())
        return []

    return next((circle for module in sorted(graph) if (circle := visit(module))), [])


def test_no_import_circle():
    graph = module_imports()
    for module, imported in KNOWN_CIRCULAR_IMPORTS:
        graph.get(module, set()).discard(imported)
    assert find_circle(graph) == []


def test_circles_are_found():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    graph = module_imports()
    assert "ganzoo_core.testing.shapes" in graph["ganzoo_core.testing.plugin"]  # a string target
    assert "ganzoo_core.losses" in graph["ganzoo_core.zoo.losses"]  # an f-string
    assert "ganzoo_core.training.api" in graph["ganzoo_core.training"]  # at the first use


def test_fitting_lists_no_jobs():
    graph = module_imports()
    assert "ganzoo_core.training.api" not in graph["ganzoo_core.training.jobs"]
    text = (CORE / "training" / "fit.py").read_text(encoding="utf-8")
    assert not re.search("plan_jobs|find_trainable_model|roles_to_train", text)


@pytest.mark.parametrize("package", ["zoo", "errors"])
def test_zoo_imports_no_torch_or_pydantic(package):
    folder = CORE / package
    for path in python_files(folder) if folder.is_dir() else [folder.with_suffix(".py")]:
        heavy = {m.split(".")[0] for m in imported_modules(path)} & {
            "torch",
            "pydantic",
            "numpy",
            "rich",
        }
        assert not heavy, f"{path} imports {heavy}"


def test_import_core_without_torch():
    code = (
        "import sys, ganzoo_core, ganzoo_core.zoo, ganzoo_core.training; "
        "from ganzoo_core import ModelSpec, hookimpl, GanzooError; "
        "sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_core_names_no_plugin():
    packages = {p.name for p in PLUGINS}
    assert "ganzoo_cgan" in packages
    for path in python_files(CORE):
        found = packages & set(re.findall(r"ganzoo_\w+", path.read_text(encoding="utf-8")))
        assert not found, f"{path} names {found}"


FACE_WORDS = re.compile(r"\b(ages?|faces?)\b", re.IGNORECASE)
FILES_WITH_FACE_WORDS = {
    # fields of a batch and of the metadata, and the data files that read them
    "interfaces/batch.py",
    "interfaces/dataset.py",
    "data/age_bins.py",
    "data/packed_images.py",
    "data/dataset_stats.py",
    "cli/data.py",
    # the data set `shapes`
    "testing/plugin.py",
    "testing/shapes.py",
}
"""Files of the core that may say age or face. The list only gets shorter."""


def test_core_says_age_and_face_in_listed_files_only():
    found = {
        str(path.relative_to(CORE))
        for path in python_files(CORE)
        if FACE_WORDS.search(path.read_text(encoding="utf-8").replace("Hugging Face", ""))
    }
    assert found <= FILES_WITH_FACE_WORDS, "the words of faces belong to plugins/face-aging"
    assert found >= FILES_WITH_FACE_WORDS, "these files do not say age or face: shorten the list"


def declared_dependencies(plugin):
    """Return the names of the distributions that a plugin declares."""
    project = tomllib.loads((plugin.parent / "pyproject.toml").read_text())["project"]
    return {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}


def test_domain_plugins_register_no_model():
    for name in DOMAIN_PLUGINS:
        (plugin,) = (path for path in PLUGINS if path.name == name)
        assert "ModelSpec" not in (plugin / "plugin.py").read_text()


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
def test_plugins_import_public_names_only(plugin):
    public = {"", *ALLOWED_IMPORTS}
    for path in python_files(plugin):
        for module in imported_modules(path):
            first = module.split(".")[0]
            if first in DOMAIN_PLUGINS - {plugin.name}:
                assert first.replace("_", "-") in declared_dependencies(plugin), (
                    f"{path} imports {first}, which its pyproject.toml does not declare"
                )
            elif first.startswith("ganzoo_") and first != plugin.name:
                assert first == "ganzoo_core", f"{path} imports another plugin: {module}"
                inside = module.split(".")
                deep = len(inside) > 3 and ".".join(inside[1:3]) not in PUBLIC_MODULES
                assert not deep, f"{path} imports a private module: {module}"
                assert package_of(module) in public | set(ganzoo_core.__all__), module


def names_without_docstring(node, prefix=""):
    """Yield the public functions and classes, and their public methods, without a docstring."""
    for child in node.body:
        if not isinstance(child, ast.FunctionDef | ast.ClassDef) or child.name.startswith("_"):
            continue
        if ast.get_docstring(child) is None:
            yield f"{prefix}{child.name}"
        if isinstance(child, ast.ClassDef):
            yield from names_without_docstring(child, f"{child.name}.")


@pytest.mark.parametrize("path", python_files(CORE), ids=lambda p: str(p.relative_to(CORE)))
def test_public_names_have_docstrings(path):
    assert ast.get_docstring(parse_file(path)), f"{path} has no docstring"
    assert list(names_without_docstring(parse_file(path))) == []


def test_benchmark_errors_are_one_line():
    scripts = [
        path for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text()
    ]
    for path in scripts:
        assert "with exit_on_error():" in path.read_text(), path.name
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "benchmarks" / "embedding_prediction.py",
            "-n",
            "8",
            "--run",
            "nowhere",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode > 1
    assert "Traceback" not in done.stderr
    assert "nowhere" in done.stderr.splitlines()[-1]
