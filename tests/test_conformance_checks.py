"""The conformance checks: first-party entries pass, and each check catches a fault."""

import json
import re

import faulty_entries  # noqa: F401, it adds to FAULTS
import pytest
from faulty_models import FAULTS, faulty_cgan

from conftest import install_plugins
from ganzoo_core.errors import GanzooError, PluginError, UsageError
from ganzoo_core.testing import parametrize_with_checks, run_checks
from ganzoo_core.testing.checks import CheckSkipped, all_checks
from ganzoo_core.testing.checks.framework import CheckFailed
from ganzoo_core.testing.subject import find_subjects
from ganzoo_core.zoo import zoo

PER_PLUGIN_CHECKS = {"no-torch-on-listing"}
"""Checks with one result for all entries of a plugin, each in a new process."""


@pytest.mark.parametrize("name", zoo().names("model"))
def test_first_party_models_pass(name):
    failed = [(r.name, r.message) for r in run_checks(name) if not r.passed]
    assert not failed


NON_MODEL_ENTRIES = [
    (kind, name)
    for kind in ("dataset", "loss", "metric", "evaluator", "transform")
    for name in zoo().names(kind)
]


@pytest.mark.parametrize(("kind", "name"), NON_MODEL_ENTRIES, ids=lambda v: v)
def test_first_party_entries_pass(kind, name):
    subject = next(s for s in find_subjects(name) if s.kind == kind)
    for check in all_checks():
        if check.applies_to(subject) and check.name not in PER_PLUGIN_CHECKS:
            try:
                check.function(subject)
            except CheckSkipped:
                evaluates_model = getattr(subject.spec, "evaluates", "") == "model"
                requires = getattr(subject.spec, "requires", ())
                in_other_package = kind == "evaluator" and not subject.spec.is_shipped
                is_expected = kind == "dataset" or evaluates_model or in_other_package
                assert is_expected or "likelihood" in requires


def test_plugin_without_entries_passes():
    assert all(result.passed for result in run_checks("tensorboard"))


def test_checks_have_unique_names_and_purpose():
    names = {check.name for check in all_checks()}
    assert len(names) >= 25 and len(all_checks()) >= len(names)
    assert all(check.purpose and "\n" not in check.purpose for check in all_checks())
    pairs = [(check.name, kind) for check in all_checks() for kind in check.kinds]
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.make_subject.__name__)
def test_check_catches_fault(fault):
    subject = fault.make_subject()
    (check,) = (c for c in all_checks() if c.name == fault.check and c.applies_to(subject))
    with pytest.raises((CheckFailed, GanzooError, RuntimeError)) as error:
        check.function(subject)
    message = re.sub(r"faulty_models.py:\d+", "faulty_models.py:{line}", str(error.value))
    assert fault.message in message
    if fault.message:
        assert "\n" not in str(error.value)


# --- faults of a whole distribution ---------------------------------------------------------------

FAULTY_PLUGIN_SOURCE = """
import torch
from ganzoo_core import CommandSpec, ModelSpec, hookimpl

@hookimpl
def ganzoo_register(zoo):
    spec = ModelSpec(name="careless", summary="s", target="ganzoo_careless.model:Model")
    zoo.add(spec, spec)

@hookimpl
def ganzoo_commands():
    return [CommandSpec(name="shout", help="h", target="ganzoo_careless.model:shout")]

@hookimpl
def ganzoo_step_logged(run, record):
    raise KeyError(record["step"])
"""
FAULTY_MODEL_SOURCE = """
import pickle
import torch
import ganzoo_cgan.model
from ganzoo_core.engine.trainer import Trainer

class Model:
    weights = staticmethod(lambda path: torch.load(path))

def shout():
    pass
"""
EXPECTED_MESSAGES = {
    "registered-once": "ganzoo-careless 0.1",
    "base-class": "ganzoo_core.Model",
    "has-docstrings": "no docstring",
    "no-torch-on-listing": "'torch'",
    "core-version-bounds": "ganzoo-core>=0.1,<0.2",
    "public-imports": "ganzoo_cgan",
    "no-pickle": "pickle",
    "hooks-do-not-raise": "ganzoo_step_logged raises KeyError",
    "commands-are-callable": "'shout'",
}


@pytest.fixture(scope="module")
def faulty_plugin_path(tmp_path_factory):
    """PYTHONPATH of a plugin with all of these faults."""
    target = tmp_path_factory.mktemp("careless")
    files = {"plugin.py": FAULTY_PLUGIN_SOURCE, "model.py": FAULTY_MODEL_SOURCE}
    install_plugins(target, {"careless": ("0.1", files)})
    return str(target)


def test_check_catches_distribution_faults(
    ganzoo_subprocess, run_ganzoo, faulty_plugin_path, tmp_path
):
    env = {"PYTHONPATH": faulty_plugin_path}
    only = [word for name in EXPECTED_MESSAGES for word in ("--only", name)]
    done = run_ganzoo("check", "careless", "--json", *only, cwd=tmp_path, env=env)
    assert done.code == 4
    assert all(name in done.error for name in EXPECTED_MESSAGES)
    results_by_check = {result["name"]: result for result in json.loads(done.out)}
    for name, words in EXPECTED_MESSAGES.items():
        result = results_by_check[name]
        assert words in result["message"] and not result["passed"], result
    listed = ganzoo_subprocess("list", **env)
    assert "broken - 'careless'" in listed.out


def test_every_check_has_a_fault():
    tested_checks = {fault.check for fault in FAULTS} | set(EXPECTED_MESSAGES)
    assert {check.name for check in all_checks()} == tested_checks


def test_check_several_names_and_all(run_ganzoo, tmp_path):
    done = run_ganzoo(
        "check", "hinge", "cgan", "hinge", "--only", "spec-is-complete", "--json", cwd=tmp_path
    )
    assert [(r["entry"], r["kind"], r["name"]) for r in json.loads(done.out)] == [
        ("hinge", "loss", "spec-is-complete"),
        ("cgan", "model", "spec-is-complete"),
    ]
    done = run_ganzoo("check", "--all", "--only", "commands-are-callable", cwd=tmp_path)
    entries = {line.split()[1] for line in done.out.splitlines()}
    assert done.code == 0 and {"cgan", "shapes", "hinge", "fid", "tensorboard"} <= entries
    assert f"{len(done.out.splitlines())} checks in " in done.err
    for words in ([], ["cgan", "--all"]):
        done = run_ganzoo("check", *words, cwd=tmp_path)
        assert done.code == 2 and "--all" in done.error


def test_check_reports_failures_by_entry(run_ganzoo, faulty_plugin_path, tmp_path):
    env = {"PYTHONPATH": faulty_plugin_path}
    done = run_ganzoo("check", "careless", "hinge", "--only", "no-pickle", cwd=tmp_path, env=env)
    assert done.code == 4 and "careless" in done.error and "no-pickle" in done.error
    assert done.out.startswith("FAIL  careless ") and "\nok    hinge " in done.out


# --- the framework --------------------------------------------------------------------------------


def test_unknown_check_suggests_name():
    with pytest.raises(UsageError, match='Did you mean "gradients-reach-parameters"'):
        list(run_checks("cgan", only=["gradients-reach"]))
    with pytest.raises(UsageError, match='Did you mean "cgan"'):
        list(run_checks("cgn"))


def test_check_of_uninstalled_entry(monkeypatch):
    monkeypatch.setattr(zoo(), "plugins", ())
    monkeypatch.setattr(zoo(), "entries", ())
    with pytest.raises(PluginError, match="pip install"):
        list(run_checks("cgan"))


def test_expected_failures_become_xfail():
    mark = parametrize_with_checks(
        "cgan",
        expected_failures={"label-conditioning": "why not"},
        only=["label-conditioning", "spec-is-complete"],
    )
    (names, cases), marks = mark.args, {case.id: case.marks for case in mark.args[1]}
    assert (
        names == "check"
        and set(marks) == {"spec-is-complete", "label-conditioning"}
        and not marks["spec-is-complete"]
    )
    (xfail,) = marks["label-conditioning"]
    assert xfail.name == "xfail" and xfail.kwargs == {"reason": "why not", "strict": True}
    assert [case.values[0]() for case in cases] == [None, None]
    with pytest.raises(UsageError, match="no-such"):
        parametrize_with_checks("cgan", expected_failures={"no-such": "?"})


def test_plugin_exception_becomes_one_line(monkeypatch):
    def stages(self):
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(
        "ganzoo_core.testing.checks.framework.find_subjects",
        lambda name: [faulty_cgan(stages=stages)],
    )
    (result,) = run_checks("cgan", only=["stages-are-valid"])
    assert not result.passed and result.message == "ZeroDivisionError: a"
