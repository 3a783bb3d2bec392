"""Faulty plugins: each is named, and none breaks a command for the others."""

import dataclasses
import json
import os
import re
import sys

import pytest

from ganzoo_core.zoo import (
    KINDS,
    CommandSpec,
    MetricOption,
    Plugin,
    discovery,
    import_target,
    quarantine,
)

HEADER = "from ganzoo_core import CommandSpec, MetricOption, MetricSpec, ModelSpec, hookimpl\n"
REGISTER = HEADER + "@hookimpl\ndef ganzoo_register(zoo):\n    zoo.add({})\n"
COMMANDS = HEADER + "@hookimpl\ndef ganzoo_commands():\n    return [{}]\n"
MODEL = 'ModelSpec(name="m", summary="s", target="a.b:C", {})'
METRIC = 'MetricSpec(name="m", summary="s", target="a.b:C", {})'


class PluginFolder:
    """A folder for PYTHONPATH, with plugins that need no installation."""

    def __init__(self, path):
        self.path = path

    def add(self, name, code, version="1.0", entry_points=None):
        """Write a module and the metadata of its distribution."""
        module = f"ganzoo_faulty_{name}"
        (self.path / f"{module}.py").write_text(code)
        info = self.path / f"ganzoo_{name}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: ganzoo-{name}\nVersion: {version}\n"
        )
        text = entry_points or f"[ganzoo.plugins]\n{name} = {module}\n".encode()
        (info / "entry_points.txt").write_bytes(text)


@pytest.fixture
def plugins(tmp_path):
    (tmp_path / "site").mkdir()
    return PluginFolder(tmp_path / "site")


@pytest.fixture
def ganzoo(ganzoo_subprocess, plugins, tmp_path):
    """Run `ganzoo ARGS` with the faulty plugins and a cache of its own."""
    env = {"PYTHONPATH": str(plugins.path), "GANZOO_CACHE": str(tmp_path / "cache")}
    return lambda *args: ganzoo_subprocess(*args, **env)


@pytest.fixture
def load(plugins, monkeypatch, tmp_path):
    """Load a plugin from its source, in this process."""
    monkeypatch.syspath_prepend(plugins.path)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))

    def load_source(code, name="p"):
        unique = f"{name}_{os.urandom(4).hex()}"
        plugins.add(unique, code)
        target = f"ganzoo_faulty_{unique}"
        return discovery.load_plugin(Plugin(name, f"ganzoo-{name}", "1.0", target=target))

    return load_source


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (MODEL.format("capabilities=5"), "capabilities of .* is not a tuple of strings"),
        (MODEL.format("capabilities='sample'"), "capabilities of .* is not a tuple of strings"),
        (MODEL.format("auxiliaries=(1,)"), "auxiliaries of .* is not a tuple of strings"),
        (MODEL.format("family=[]"), "family of .* is not a string"),
        (MODEL.format("family='nobody'"), "family must be one of"),
        (MODEL.format("fidelity=3"), "fidelity of .* is not a mapping"),
        (MODEL.format("fidelity={'init': 1}"), "fidelity of .* is not a mapping"),
        (MODEL.format("api_version='1'"), "api_version of .* is not an integer"),
        (MODEL.format("api_version=True"), "api_version of .* is not an integer"),
        (MODEL.format("paper=None"), "paper of .* is not a string"),
        (MODEL.format("license='\\ud800'"), "UnicodeEncodeError"),
        (METRIC.format("options=5"), "options of .* is not a tuple of MetricOption"),
        (METRIC.format("has_baselines='no'"), "has_baselines of .* is not True or False"),
        (METRIC.format("breakdowns=('a',)"), "breakdowns of .* is not a mapping"),
        (
            METRIC.format("evaluates='model', options=(MetricOption(name='a', help=3),)"),
            "help of .* is not a string",
        ),
    ],
)
def test_every_field_of_a_spec_is_checked(load, code, words):
    plugin = load(REGISTER.format(code))
    assert plugin.specs == []
    assert re.search(words, plugin.error), plugin.error


def test_every_annotation_of_a_spec_has_a_check():
    for cls in (*KINDS.values(), CommandSpec, MetricOption):
        for spec_field in dataclasses.fields(cls):
            assert str(spec_field.type) in discovery._FIELD_TYPES


def test_aliases_of_a_command_are_checked(load):
    code = COMMANDS.format('CommandSpec(name="c", help="h", target="a:b", aliases=7)')
    assert "aliases of" in load(code).error


EVIL_ERROR = """
class Evil(Exception):
    def __str__(self):
        raise RuntimeError("no")
    __repr__ = __str__
raise Evil
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise BaseException('stop')", "BaseException: stop"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("import asyncio\nraise asyncio.CancelledError('c')", "CancelledError: c"),
        ("raise SystemExit", "SystemExit"),
        (EVIL_ERROR, "Evil: its message cannot be printed"),
        ("raise ValueError('a' * 10**6)", "ValueError: aaa"),
        ("raise ValueError('\\n\\nlate')", "ValueError"),
    ],
)
def test_any_exception_stays_with_its_plugin(load, code, words):
    plugin = load(code)
    assert plugin.error.startswith(words)
    assert len(plugin.error) <= 1000 and "\n" not in plugin.error


@pytest.mark.parametrize(
    "code",
    [
        "while True:\n    pass",
        "import threading\nthreading.Event().wait()",
        "while True:\n    try:\n        threading = __import__('threading').Event().wait()\n"
        "    except Exception:\n        pass",
    ],
)
def test_endless_import_is_ended_and_named(load, monkeypatch, code):
    monkeypatch.setattr(quarantine, "IMPORT_DEADLINE_S", 0.05)
    assert "its import takes more than 0.05 s" in load(code).error
    assert load(REGISTER.format(MODEL.format(""))).error == ""


def test_one_faulty_plugin_does_not_break_list(ganzoo, plugins):
    plugins.add("can", REGISTER.format(MODEL.format("capabilities=5")))
    plugins.add("evil", EVIL_ERROR)
    plugins.add("base", "raise BaseException('stop')")
    plugins.add("good", REGISTER.format(MODEL.format("").replace('"m"', '"good-model"')))
    listed = ganzoo("list")
    assert listed.code == 0 and "good-model" in listed.out, listed.err
    for name in ("can", "evil", "base"):
        assert f"ganzoo-{name} 1.0" in listed.out
    states = {p["name"]: p["state"] for p in json.loads(ganzoo("plugins", "--json").out)}
    assert {name: states[name] for name in ("can", "evil", "base", "good")} == {
        "can": "broken",
        "evil": "broken",
        "base": "broken",
        "good": "ok",
    }


def test_print_at_import_does_not_reach_json(ganzoo, plugins):
    plugins.add(
        "loud",
        "import os, sys\nfrom sys import stdout, __stdout__\nprint('one')\nos.write(1, b'two')\n"
        "stdout.write('three')\n__stdout__.write('four')\nos.system('echo five')\n",
    )
    listed = ganzoo("list", "--json")
    assert listed.code == 0 and json.loads(listed.out)
    for word in ("one", "two", "three", "four", "five"):
        assert word in listed.err


def test_print_at_import_of_a_target_does_not_reach_stdout(plugins, monkeypatch, capfd):
    (plugins.path / "ganzoo_loud_model.py").write_text("print('loud')\nclass Model:\n    pass\n")
    monkeypatch.syspath_prepend(plugins.path)
    assert import_target("ganzoo_loud_model:Model").__name__ == "Model"
    assert capfd.readouterr() == ("", "loud\n")


def test_thread_at_import_is_named_and_does_not_hold_the_exit(ganzoo, plugins):
    plugins.add(
        "threads",
        "import threading\nthreading.Thread(target=threading.Event().wait, name='busy').start()\n",
    )
    listed = ganzoo("list", "--json")  # it would never return
    row = next(r for r in json.loads(listed.out) if r["name"] == "threads")
    assert row["state"] == "broken" and "starts the thread 'busy'" in row["error"]
    assert listed.code == 0


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import os\nos._exit(0)", "exit code 0"),
        ("import os\nos._exit(7)", "exit code 7"),
        ("import os\nos.kill(os.getpid(), 9)", "Killed"),
    ],
)
def test_import_that_ends_the_process_is_named_at_the_next_start(ganzoo, plugins, code, how):
    plugins.add("dies", code)
    plugins.add("other", REGISTER.format(MODEL.format("").replace('"m"', '"good-model"')))
    assert "good-model" not in ganzoo("list").out  # the process ended
    again = ganzoo("list")
    assert again.code == 0 and "good-model" in again.out
    assert f"dies (ganzoo-dies 1.0) is not imported: its import ends the process ({how}" in (
        again.err
    )
    third = ganzoo("list", "--json")
    row = next(r for r in json.loads(third.out) if r["name"] == "dies")
    assert row["state"] == "broken" and how in row["error"] and "not imported" not in third.err


def test_verdict_ends_with_the_version_and_with_retry(ganzoo, plugins, tmp_path, monkeypatch):
    plugins.add("dies", "import os\nos._exit(7)")
    ganzoo("list"), ganzoo("list")
    fixed = REGISTER.format(MODEL.format("").replace('"m"', '"fixed-model"'))
    plugins.add("dies", fixed)
    assert "fixed-model" not in ganzoo("list").out, "the same version is not tried again"
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    quarantine.retry_broken()  # as `ganzoo doctor` does
    listed = ganzoo("list")
    assert "fixed-model" in listed.out and "dies" not in listed.err
    assert list((tmp_path / "cache" / "plugins").iterdir()) == []


def test_killed_command_blames_no_innocent_plugin(ganzoo, plugins, tmp_path):
    """A process may be killed while it imports a plugin that works."""
    plugins.add("good", REGISTER.format(MODEL.format("").replace('"m"', '"good-model"')))
    folder = tmp_path / "cache" / "plugins"
    folder.mkdir(parents=True)
    (folder / "importing-host-1").write_text("good ganzoo-good ganzoo_faulty_good 1.0")
    listed = ganzoo("list")
    assert listed.code == 0 and "good-model" in listed.out
    assert "not imported" not in listed.err and list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        b"[ganzoo.plugins]\nno equals sign\n",
        b"[ganzoo.plugins]\n\xff\xfe = x\n",
        b"[ganzoo.plugins]\nbad = not a module!\n",
        b"[ganzoo.plugins]\n = \n",
    ],
)
def test_malformed_entry_points_are_named(ganzoo, plugins, text):
    plugins.add("bad", "", entry_points=text)
    plugins.add("good", REGISTER.format(MODEL.format("").replace('"m"', '"good-model"')))
    listed = ganzoo("list")
    assert listed.code == 0 and "good-model" in listed.out, listed.err
    broken = [p for p in json.loads(ganzoo("plugins", "--json").out) if p["state"] == "broken"]
    assert len(broken) == 1
    assert "bad" in f"{broken[0]['name']} {broken[0]['distribution']}"


DOCTOR_OF_PLUGINS = """
from ganzoo_core.cli import doctor
from ganzoo_core.cli.main import main
doctor._DIAGNOSTICS = (doctor._check_plugins,)
main(["doctor"])
"""


def test_doctor_tries_a_crashed_plugin_again(run_shell, ganzoo, plugins, tmp_path):
    plugins.add("dies", "import os\nos._exit(7)")
    ganzoo("list"), ganzoo("list")
    env = {
        "PYTHONPATH": str(plugins.path),
        "GANZOO_CACHE": str(tmp_path / "cache"),
        "GANZOO_PLUGINS": "dies",
    }
    result = run_shell(sys.executable, "-c", DOCTOR_OF_PLUGINS, **env)
    assert result.code == 4 and "exit code 7" in result.out
    assert "not imported" in result.err
