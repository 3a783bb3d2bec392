"""Checks of every entry and every plugin. They build no model."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import click

from ganzoo_core.interfaces import Dataset, ImageTransform, Loss, Model, Term
from ganzoo_core.testing.checks.framework import check, require
from ganzoo_core.testing.public_api import is_public, iter_imports
from ganzoo_core.testing.subject import Subject
from ganzoo_core.zoo import FAMILIES, ModelSpec, import_target, zoo

_ENTRY_KINDS = (
    "model",
    "composition",
    "dataset",
    "loss",
    "term",
    "metric",
    "evaluator",
    "weights",
    "transform",
    "capability",
)
_ALL_KINDS = (*_ENTRY_KINDS, "plugin")
_MAX_SUMMARY_LENGTH = 100
_BASES = {
    "model": Model,
    "dataset": Dataset,
    "loss": Loss,
    "term": Term,
    "transform": ImageTransform,
}
_CORE = "ganzoo_core"


@check(*_ENTRY_KINDS)
def spec_is_complete(subject: Subject) -> None:
    """Has a summary, a source and a license in its spec"""
    entry_spec = subject.spec
    kind = type(entry_spec).__name__
    fields = {
        "model": ("summary", "paper", "license"),
        "composition": ("summary", "paper", "license"),
        "dataset": ("summary", "license"),
    }
    for field in fields.get(subject.kind, ("summary",)):
        require(getattr(entry_spec, field), f"{kind}.{field} is empty: fill it in plugin.py")
    text = entry_spec.summary
    require(
        len(text) <= _MAX_SUMMARY_LENGTH and text.isprintable(),
        f"{kind}.summary is not one line of at most {_MAX_SUMMARY_LENGTH} characters: shorten it",
    )
    if isinstance(entry_spec, ModelSpec):
        known = zoo().names("capability")
        unknown = [c for c in entry_spec.capabilities if c not in known]
        require(
            not unknown,
            f"ModelSpec.capabilities has {unknown}: use {', '.join(known)}, or require the plugin "
            "that registers it in pyproject.toml",
        )
        require(
            not entry_spec.family or entry_spec.family in FAMILIES,
            f"there is no family {entry_spec.family!r}: leave it out, or use {', '.join(FAMILIES)}",
        )


@check(*_ENTRY_KINDS)
def registered_once(subject: Subject) -> None:
    """Is the only entry of its kind with this name"""
    origins = " and ".join(subject.registered_by)
    require(
        len(subject.registered_by) == 1,
        f"{subject.name!r} is registered {len(subject.registered_by)} times, by {origins}: call "
        "zoo.add() for it once, under a name that is free",
    )


@check("model", "dataset", "loss", "term", "transform")
def base_class(subject: Subject) -> None:
    """Names a class that derives from the base class of its kind"""
    base = _BASES[subject.kind]
    require(
        inspect.isclass(subject.target) and issubclass(subject.target, base),
        f"{subject.spec.target} does not derive from ganzoo_core.{base.__name__}",
    )
    missing_methods = sorted(getattr(subject.target, "__abstractmethods__", ()))
    require(
        not missing_methods, f"{subject.spec.target} lacks the methods {', '.join(missing_methods)}"
    )


@check("model", "dataset", "loss", "term", "metric", "transform", "capability")
def has_docstrings(subject: Subject) -> None:
    """Has docstrings in its module and its class or function"""
    target, name = subject.target, subject.spec.target
    require(
        target.__dict__.get("__doc__") if inspect.isclass(target) else target.__doc__,
        f"{name} has no docstring: describe it",
    )
    module = sys.modules[target.__module__]
    require(module.__doc__, f"{module.__name__} has no docstring: name the source")


@check(*_ALL_KINDS)
def no_torch_on_listing(subject: Subject) -> None:
    """Registers without importing torch or pydantic"""
    found = _heavy_imports(subject.plugin.name)
    require(
        found == "[]",
        f"listing the zoo imports {found}: put only specs into plugin.py, and name classes as "
        "'package.module:Class'",
    )


@cache
def _heavy_imports(plugin: str) -> str:
    """Return the heavy modules that a new process imports when it lists one plugin."""
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


@check(*_ALL_KINDS)
def core_version_bounds(subject: Subject) -> None:
    """Requires a bounded range of ganzoo-core versions"""
    name = subject.plugin.distribution
    try:
        requirements = [
            r for r in requires(name) or [] if r.replace("_", "-").startswith("ganzoo-core")
        ]
    except PackageNotFoundError:
        requirements = []
    bounded = any(">" in need and "<" in need for need in requirements)
    require(
        bounded or name == "ganzoo-core",
        f"{name} has no bounds: set dependencies = ['ganzoo-core>=0.1,<0.2'] in pyproject.toml",
    )


@check(*_ALL_KINDS)
def public_imports(subject: Subject) -> None:
    """Imports only public names of ganzoo_core; of plugins, only declared ones without models"""
    allowed = {_CORE, _package_name(subject), *_importable_plugins(subject)}
    for path in _source_files(subject):
        for module, name in iter_imports(path):
            first = module.split(".")[0]
            where = f"{path.name}: from {module} import {name}"
            if first.startswith("ganzoo_"):
                require(
                    first in allowed,
                    f"{where}: use a role of the zoo, not another plugin; one that registers no "
                    "model may be imported if pyproject.toml declares it",
                )
            if first == _CORE:
                require(is_public(module, name), f"{where}: not public, see docs/reference/api.md")


def _importable_plugins(subject: Subject) -> set[str]:
    """Return the packages of the plugins that the distribution declares and that have no model."""
    try:
        requirements = requires(subject.plugin.distribution) or []
    except PackageNotFoundError:
        return set()
    declared = {re.split(r"[^\w.-]", line)[0].replace("-", "_") for line in requirements}
    with_models = {
        plugin.distribution.replace("-", "_")
        for plugin in zoo().plugins
        if any(isinstance(spec, ModelSpec) for spec in plugin.specs)
    }
    return declared - with_models


@check(*_ALL_KINDS)
def no_pickle(subject: Subject) -> None:
    """Reads no pickle, which can run code; torch.load only with weights_only=True"""
    for path in _source_files(subject):
        for module, _ in iter_imports(path):
            require(
                module.split(".")[0] not in {"pickle", "dill", "cloudpickle", "joblib"},
                f"{path.name} imports {module}: use safetensors and JSON",
            )
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                safe = any(
                    k.arg == "weights_only" and ast.unparse(k.value) == "True"
                    for k in node.keywords
                )
                require(safe, f"{path.name}:{node.lineno} calls torch.load: add weights_only=True")


@check(*_ALL_KINDS)
def hooks_do_not_raise(subject: Subject) -> None:
    """Raises no error in the hooks of a run"""
    if not subject.plugin.hooks:
        return
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        for name in ("samples", "checkpoints", "weights"):
            (run / name).mkdir(parents=True)
        record = {
            "step": 1,
            "total_steps": 2,
            "stage": "gan",
            "images": 8,
            "seconds": 0.1,
            "loss/d": 1.0,
        }
        config = {"run": {"model": "none", "preset": ""}, "model": {}, "data": {}, "train": {}}
        calls: tuple[tuple[str, dict[str, Any]], ...] = (
            ("ganzoo_run_started", {"run": run, "config": config}),
            ("ganzoo_step_logged", {"run": run, "record": record}),
            ("ganzoo_checkpoint_saved", {"run": run, "path": run / "checkpoints" / "1.json"}),
            ("ganzoo_run_finished", {"run": run, "status": "finished"}),
            ("ganzoo_page_pictures", {"run": run}),
        )
        for name, values in calls:
            try:
                subject.plugin.call_hook(name, **values)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                require(False, f"{name} raises {reason}: the hook is disabled in every run")


@check(*_ALL_KINDS)
def commands_are_callable(subject: Subject) -> None:
    """Adds commands that import as click commands"""
    for command in subject.plugin.commands:
        found = import_target(command.target)
        require(
            isinstance(found, click.Command),
            f"command {command.name!r}: {command.target} is not a click command",
        )


def _package_name(subject: Subject) -> str:
    """Return the name of the package behind an entry, or of the plugin's module."""
    target = subject.spec.target if subject.spec else subject.plugin.target or _CORE
    return target.partition(":")[0].partition(".")[0]


def _source_files(subject: Subject) -> list[Path]:
    """Return the Python files of an entry's package; none for the core."""
    name = _package_name(subject)
    found = None if name == _CORE else importlib.util.find_spec(name)
    folders = [Path(p) for p in (found.submodule_search_locations or ())] if found else []
    return sorted(path for folder in folders for path in folder.rglob("*.py"))
