"""What every entry of the zoo promises, and every plugin: no torch, no model is built here."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import click

from ganzoo_core.interfaces import CAPABILITIES, Dataset, Loss, Model
from ganzoo_core.testing.checks.kit import check, demand
from ganzoo_core.testing.public import imports, is_public
from ganzoo_core.testing.subject import Subject
from ganzoo_core.zoo import FAMILIES, ModelSpec, resolve

ENTRIES = ("model", "dataset", "loss", "metric", "judge")
ALL = (*ENTRIES, "plugin")
LONGEST = 100
BASES = {"model": Model, "dataset": Dataset, "loss": Loss}
CORE = "ganzoo_core"


@check(*ENTRIES)
def spec(subject: Subject) -> None:
    """Says what it is, where it comes from and under which licence"""
    known = subject.spec
    kind = type(known).__name__
    fields = {"model": ("summary", "paper", "license"), "dataset": ("summary", "license")}
    for field in fields.get(subject.kind, ("summary",)):
        demand(getattr(known, field), f"{kind}.{field} is empty: fill it in plugin.py")
    text = known.summary
    demand(
        len(text) <= LONGEST and text.isprintable(),
        f"{kind}.summary is no single line of at most {LONGEST} characters: shorten it",
    )
    if isinstance(known, ModelSpec):
        strange = [c for c in known.can if c not in CAPABILITIES]
        demand(not strange, f"ModelSpec.can has {strange}; there is {', '.join(CAPABILITIES)}")
        demand(
            not known.family or known.family in FAMILIES,
            f"there is no family {known.family!r}: leave it out, or take {', '.join(FAMILIES)}",
        )


@check(*ENTRIES)
def registered_once(subject: Subject) -> None:
    """Is the only entry of its kind that has the name"""
    who = " and ".join(subject.claims)
    demand(
        len(subject.claims) == 1,
        f"{subject.name!r} is registered {len(subject.claims)} times, by {who}: let zoo.add() name "
        "it once, under a name that is free",
    )


@check("model", "dataset", "loss")
def base_class(subject: Subject) -> None:
    """Names a class that derives from what its kind asks for"""
    base = BASES[subject.kind]
    demand(
        inspect.isclass(subject.target) and issubclass(subject.target, base),
        f"{subject.spec.target} does not derive from ganzoo_core.{base.__name__}",
    )
    unmade = sorted(getattr(subject.target, "__abstractmethods__", ()))
    demand(not unmade, f"{subject.spec.target} lacks the methods {', '.join(unmade)}")


@check("model", "dataset", "loss", "metric")
def documented(subject: Subject) -> None:
    """Says in docstrings what it is, and in a model's file which paper it follows"""
    target, name = subject.target, subject.spec.target
    demand(
        target.__dict__.get("__doc__") if inspect.isclass(target) else target.__doc__,
        f"{name} has no docstring: say what it is",
    )
    module = sys.modules[target.__module__]
    demand(module.__doc__, f"{module.__name__} has no docstring at its top: say where it is from")


@check(*ALL)
def lazy_plugin(subject: Subject) -> None:
    """Registers without importing torch or pydantic"""
    found = imported_to_list(subject.plugin.name)
    demand(
        found == "[]",
        f"listing the zoo imports {found}: keep plugin.py to specs, and name "
        "classes as 'package.module:Class'",
    )


@cache
def imported_to_list(plugin: str) -> str:
    """Return what a fresh process that lists the zoo with one plugin imports and should not."""
    code = (
        "import sys; from ganzoo_core.zoo import zoo; zoo();"
        "print([m for m in ('torch', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GANZOO_PLUGINS": plugin},
    )
    return done.stdout.strip()


@check(*ALL)
def distribution(subject: Subject) -> None:
    """Says which versions of ganzoo-core it was written for"""
    name = subject.plugin.distribution
    try:
        needs = [r for r in requires(name) or [] if r.replace("_", "-").startswith("ganzoo-core")]
    except PackageNotFoundError:
        needs = []
    bounded = any(">" in need and "<" in need for need in needs)
    demand(
        bounded or name == "ganzoo-core",
        f"{name} sets no bounds: write dependencies = ['ganzoo-core>=0.1,<0.2'] in pyproject.toml",
    )


@check(*ALL)
def public_imports(subject: Subject) -> None:
    """Imports public names of ganzoo_core alone, and no other plugin"""
    home = package(subject)
    for path in sources(subject):
        for module, name in imports(path):
            first = module.split(".")[0]
            where = f"{path.name}: from {module} import {name}"
            if first.startswith("ganzoo_") and first not in {CORE, home}:
                demand(False, f"{where}: ask the zoo for a role instead of another plugin")
            if first == CORE:
                demand(is_public(module, name), f"{where}: not public; docs/reference/api.md is")


@check(*ALL)
def no_pickle(subject: Subject) -> None:
    """Reads no pickle, which can run code: torch.load only with weights_only=True"""
    for path in sources(subject):
        for module, _ in imports(path):
            demand(
                module.split(".")[0] not in {"pickle", "dill", "cloudpickle", "joblib"},
                f"{path.name} imports {module}: write safetensors and JSON",
            )
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                safe = any(
                    k.arg == "weights_only" and ast.unparse(k.value) == "True"
                    for k in node.keywords
                )
                demand(safe, f"{path.name}:{node.lineno} calls torch.load: add weights_only=True")


@check(*ALL)
def hooks(subject: Subject) -> None:
    """Raises nothing in the hooks that follow a run"""
    manager = subject.plugin.manager
    if manager is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        for name in ("samples", "checkpoints", "weights"):
            (run / name).mkdir(parents=True)
        record = {"round": 1, "rounds": 2, "stage": "gan", "images": 8, "seconds": 0.1, "d": 1.0}
        config = {"run": {"model": "none", "preset": ""}, "model": {}, "data": {}, "train": {}}
        calls: tuple[tuple[str, dict[str, Any]], ...] = (
            ("ganzoo_run_started", {"run": run, "config": config}),
            ("ganzoo_round_logged", {"run": run, "record": record}),
            ("ganzoo_checkpoint_saved", {"run": run, "path": run / "checkpoints" / "1.json"}),
            ("ganzoo_run_finished", {"run": run, "status": "finished"}),
        )
        for name, values in calls:
            try:
                getattr(manager.hook, name)(**values)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                demand(False, f"{name} raises {reason}: it would be switched off in every run")


@check(*ALL)
def verbs(subject: Subject) -> None:
    """Adds verbs that can be called"""
    for command in subject.plugin.commands:
        found = resolve(command.target)
        demand(
            isinstance(found, click.Command),
            f"the verb {command.name!r}: {command.target} is no click command",
        )


def package(subject: Subject) -> str:
    """Return the name of the package behind an entry."""
    target = subject.spec.target if subject.spec else plugin_module(subject)
    return str(target).split(":", maxsplit=1)[0].split(".", maxsplit=1)[0]


def plugin_module(subject: Subject) -> str:
    """Return the name of the module that a plugin's entry point loads."""
    manager = subject.plugin.manager
    modules = [] if manager is None else list(manager.get_plugins())
    return str(getattr(modules[0], "__name__", "")) if modules else CORE


def sources(subject: Subject) -> list[Path]:
    """Return the Python files of an entry's package; none for the core's own."""
    name = package(subject)
    found = None if name == CORE else importlib.util.find_spec(name)
    folders = [Path(p) for p in (found.submodule_search_locations or ())] if found else []
    return sorted(path for folder in folders for path in folder.rglob("*.py"))
