"""The conformance checks: the house passes, and each check catches what it is for."""

import json

import pytest
import zoo_of_other_faults  # noqa: F401, it adds to FAULTS
from zoo_of_faults import FAULTS, cgan

from conftest import install
from ganzoo_core.errors import GanzooError, PluginError, UsageError
from ganzoo_core.testing import parametrize_with_checks, run_checks
from ganzoo_core.testing.checks import CHECKS, Skipped
from ganzoo_core.testing.checks.kit import Failed
from ganzoo_core.testing.subject import subjects
from ganzoo_core.zoo import zoo

CHEAP = {"lazy-plugin"}
"""Checks that say the same of every entry of a plugin, in a process of their own."""


@pytest.mark.parametrize("name", zoo().names("model"))
def test_models_of_the_house_pass(name):
    failed = [(r.name, r.message) for r in run_checks(name) if not r.passed]
    assert not failed


OTHERS = [
    (kind, name) for kind in ("dataset", "loss", "metric", "judge") for name in zoo().names(kind)
]


@pytest.mark.parametrize(("kind", "name"), OTHERS, ids=lambda v: v)
def test_other_entries_of_the_house_pass(kind, name):
    subject = next(s for s in subjects(name) if s.kind == kind)
    for check in CHECKS:
        if check.concerns(subject) and check.name not in CHEAP:
            try:
                check.examine(subject)
            except Skipped:
                assert kind == "dataset" or {"editor", "likelihood"} & {*subject.spec.needs}


def test_a_plugin_without_entries_passes():
    assert all(result.passed for result in run_checks("tensorboard"))


def test_there_are_many_checks_each_with_a_purpose():
    names = {check.name for check in CHECKS}
    assert len(names) >= 25 and len(CHECKS) >= len(names)
    assert all(check.purpose and "\n" not in check.purpose for check in CHECKS)
    pairs = [(check.name, kind) for check in CHECKS for kind in check.kinds]
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.make.__name__)
def test_a_fault_is_caught(fault):
    subject = fault.make()
    (check,) = (c for c in CHECKS if c.name == fault.check and c.concerns(subject))
    with pytest.raises((Failed, GanzooError, RuntimeError), match=None) as error:
        check.examine(subject)
    assert fault.words in str(error.value)
    if fault.words:
        assert "\n" not in str(error.value)


# --- faults of a whole distribution ---------------------------------------------------------------

CARELESS = """
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
def ganzoo_round_logged(run, record):
    raise KeyError(record["round"])
"""
MODEL = """
import pickle
import torch
import ganzoo_cgan.model
from ganzoo_core.engine.trainer import Trainer

class Model:
    weights = staticmethod(lambda path: torch.load(path))

def shout():
    pass
"""
WORDS = {
    "registered-once": "registered 2 times, by ganzoo-careless 0.1",
    "base-class": "does not derive from ganzoo_core.Model",
    "documented": "no docstring",
    "lazy-plugin": "imports ['torch'",
    "distribution": "ganzoo-core>=0.1,<0.2",
    "public-imports": "ask the zoo for a role",
    "no-pickle": "imports pickle",
    "hooks": "ganzoo_round_logged raises KeyError",
    "verbs": "is no click command",
}


@pytest.fixture(scope="module")
def careless(tmp_path_factory):
    """PYTHONPATH of a plugin that does all of it wrong."""
    target = tmp_path_factory.mktemp("careless")
    files = {"plugin.py": CARELESS, "model.py": MODEL}
    install(target, tmp_path_factory.mktemp("source"), {"careless": ("0.1", files)})
    return str(target)


def test_a_careless_distribution(command, ganzoo, careless, tmp_path):
    env = {"PYTHONPATH": careless}
    only = [word for name in WORDS for word in ("--only", name)]
    done = ganzoo("check", "careless", "--json", *only, cwd=tmp_path, env=env)
    assert done.code == 4 and f"fails {len(WORDS)} of {len(WORDS)} checks" in done.error
    said = {result["name"]: result for result in json.loads(done.out)}
    for name, words in WORDS.items():
        assert words in said[name]["message"] and not said[name]["passed"], said[name]
    listed = command("list", **env)
    assert "registered 2 times by ganzoo-careless 0.1" in listed.out


def test_every_check_is_proven():
    proven = {fault.check for fault in FAULTS} | set(WORDS)
    assert {check.name for check in CHECKS} == proven


def test_several_names_and_all(ganzoo, tmp_path):
    done = ganzoo("check", "hinge", "cgan", "hinge", "--only", "spec", "--json", cwd=tmp_path)
    assert [(r["entry"], r["kind"], r["name"]) for r in json.loads(done.out)] == [
        ("hinge", "loss", "spec"),
        ("cgan", "model", "spec"),
    ]
    done = ganzoo("check", "--all", "--only", "verbs", cwd=tmp_path)
    entries = {line.split()[1] for line in done.out.splitlines()}
    assert done.code == 0 and {"cgan", "shapes", "hinge", "fid", "tensorboard"} <= entries
    assert f"{len(done.out.splitlines())} checks in " in done.err
    for words in ([], ["cgan", "--all"]):
        done = ganzoo("check", *words, cwd=tmp_path)
        assert done.code == 2 and "or give --all" in done.error


def test_failures_of_several(ganzoo, careless, tmp_path):
    env = {"PYTHONPATH": careless}
    done = ganzoo("check", "careless", "hinge", "--only", "no-pickle", cwd=tmp_path, env=env)
    assert done.code == 4 and "careless fails 1 of 1 checks: no-pickle" in done.error
    assert done.out.startswith("FAIL  careless ") and "\nok    hinge " in done.out


# --- the kit --------------------------------------------------------------------------------------


def test_unknown_names():
    with pytest.raises(UsageError, match='Did you mean "gradients"'):
        list(run_checks("cgan", only=["gradient"]))
    with pytest.raises(UsageError, match=r"nothing called 'cgn'\. Did you mean"):
        list(run_checks("cgn"))


def test_not_installed(monkeypatch):
    monkeypatch.setattr(zoo(), "plugins", ())
    monkeypatch.setattr(zoo(), "rows", ())
    with pytest.raises(PluginError, match="Install it with"):
        list(run_checks("cgan"))


def test_a_plugins_tests_may_expect_failures():
    mark = parametrize_with_checks(
        "cgan", expected_failures={"condition": "why not"}, only=["condition", "spec"]
    )
    (names, cases), marks = mark.args, {case.id: case.marks for case in mark.args[1]}
    assert names == "check" and set(marks) == {"spec", "condition"} and not marks["spec"]
    (xfail,) = marks["condition"]
    assert xfail.name == "xfail" and xfail.kwargs == {"reason": "why not", "strict": True}
    assert [case.values[0]() for case in cases] == [None, None]
    with pytest.raises(UsageError, match="no check 'no-such'"):
        parametrize_with_checks("cgan", expected_failures={"no-such": "?"})


def test_a_bug_of_the_plugin_becomes_one_line(monkeypatch):
    def stages(self):
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(
        "ganzoo_core.testing.checks.kit.subjects", lambda name: [cgan(stages=stages)]
    )
    (result,) = run_checks("cgan", only=["stages"])
    assert not result.passed and result.message == "ZeroDivisionError: a"
