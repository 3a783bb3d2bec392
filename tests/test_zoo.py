"""Discovery, lookup and the catalogue, without the command line."""

import dataclasses
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ganzoo_core.errors import PluginError, UsageError, suggest
from ganzoo_core.zoo import (
    KINDS,
    CommandSpec,
    DatasetSpec,
    ModelSpec,
    Plugin,
    Zoo,
    catalogue,
    discovery,
    resolve,
)

HEAD = "from ganzoo_core import CommandSpec, DatasetSpec, ModelSpec, hookimpl\n@hookimpl\n"
COUNT = iter(range(1000))


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a plugin from its code."""

    def go(code, name="p"):
        module = f"throwaway_{next(COUNT)}"
        (tmp_path / f"{module}.py").write_text(code)
        entry = EntryPoint(name, module, discovery.GROUP)
        return discovery.load(entry, Plugin(name, f"ganzoo-{name}", "1.0"))

    monkeypatch.syspath_prepend(tmp_path)
    return go


def registers(what):
    return f"{HEAD}def ganzoo_register(zoo):\n    zoo.add({what})\n"


def spec(name, cls=ModelSpec, **more):
    return cls(name=name, summary=f"About {name}", target="a.b:C", **more)


def holding(name, *specs, **more):
    return Plugin(name, f"ganzoo-{name}", "1.0", list(specs), **more)


def test_a_sound_plugin_registers(load):
    plugin = load(registers('ModelSpec(name="m", summary="s", target="a.b:C")'))
    assert (plugin.error, plugin.trace) == ("", "")
    assert [s.name for s in plugin.specs] == ["m"]
    assert plugin.origin == "ganzoo-p 1.0"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        (f"{HEAD}def ganzoo_registre(zoo):\n    pass", "unknown hook 'ganzoo_registre'"),
        (f"{HEAD}def ganzoo_register(zoo, more):\n    pass", "PluginValidationError"),
        (f"{HEAD}def ganzoo_register(zoo):\n    1 / 0", "ZeroDivisionError"),
        (registers("'cgan'"), "'cgan' is not a spec of a model"),
        (registers('ModelSpec(name="m", summary=3, target="a.b:C")'), "summary of"),
        (registers('ModelSpec(name="", summary="s", target="a.b:C")'), "is no name"),
        (registers('ModelSpec(name="m", summary="s", target="a.b.C")'), "package.module:Class"),
        (
            registers('ModelSpec(name="m", summary="s", target="a:C", api=99)'),
            "upgrade ganzoo-core",
        ),
        (registers('ModelSpec(name="m", summary="s", target="a:C", api=0)'), "upgrade ganzoo-p"),
        (f"{HEAD}def ganzoo_commands():\n    return ['run']", "not a CommandSpec"),
    ],
)
def test_a_broken_plugin_is_noted_not_raised(load, code, words):
    plugin = load(code)
    assert words in plugin.error
    assert "\n" not in plugin.error
    assert "Traceback" in plugin.trace
    assert (plugin.specs, plugin.commands, plugin.manager) == ([], [], None)


def test_half_registered_specs_of_a_broken_plugin_are_dropped(load):
    good = 'ModelSpec(name="m", summary="s", target="a.b:C")'
    assert load(registers(f"{good}, None")).specs == []


def test_switch_selects_plugins(monkeypatch):
    entries = [EntryPoint(name, "json", discovery.GROUP) for name in ("b", "a")]
    monkeypatch.setattr(discovery, "entry_points", lambda group: entries)
    states = {}
    for value in (None, "", "a", " a , c "):
        if value is None:
            monkeypatch.delenv("GANZOO_PLUGINS", raising=False)
        else:
            monkeypatch.setenv("GANZOO_PLUGINS", value)
        states[value] = [(p.name, p.off) for p in discovery.discover()]
    assert states[None] == [("a", False), ("b", False)]
    assert states[""] == [("a", True), ("b", True)]
    assert states["a"] == states[" a , c "] == [("a", False), ("b", True)]


def test_rows_are_sorted_by_kind_and_name():
    zoo = Zoo([holding("x", spec("b"), spec("d", DatasetSpec), spec("a")), holding("y", error="e")])
    assert [(r.kind, r.name) for r in zoo.rows] == [
        ("model", "a"),
        ("model", "b"),
        ("dataset", "d"),
        ("plugin", "y"),
    ]
    assert zoo.names("model") == ["a", "b"]
    assert zoo.model("a").summary == "About a"
    assert zoo.origin(zoo.model("a")) == "ganzoo-x 1.0"


def test_a_name_claimed_twice_names_both_distributions():
    zoo = Zoo([holding("x", spec("m")), holding("y", spec("m"), spec("other"))])
    with pytest.raises(PluginError, match=r"ganzoo-x 1\.0 and ganzoo-y 1\.0: uninstall one"):
        zoo.model("m")
    assert zoo.names("model") == ["other"]
    assert [bool(r.error) for r in zoo.rows if r.name == "m"] == [True, True]


def test_one_name_may_be_a_model_and_a_dataset():
    zoo = Zoo([holding("x", spec("m"), spec("m", DatasetSpec))])
    assert zoo.model("m").target == zoo.dataset("m").target


def test_a_name_nobody_knows_gets_the_closest():
    zoo = Zoo([holding("x", spec("people-gan"))])
    with pytest.raises(UsageError, match='Did you mean "people-gan"'):
        zoo.model("peple-gan")
    with pytest.raises(UsageError, match="A broken plugin may have it: y"):
        Zoo([holding("y", error="e")]).model("zzzzzz")


def test_the_catalogue_says_how_to_install_what_is_not_there():
    for entry in catalogue():
        find = getattr(Zoo([]), entry.kind)
        with pytest.raises(PluginError) as caught:
            find(entry.name)
        assert entry.install in str(caught.value)


def test_a_broken_or_unselected_plugin_explains_its_names():
    with pytest.raises(PluginError, match=r"is broken: E: x \(ganzoo-cgan 1\.0\)"):
        Zoo([holding("cgan", error="E: x")]).model("cgan")
    with pytest.raises(PluginError, match="add cgan to GANZOO_PLUGINS"):
        Zoo([holding("cgan", off=True)]).model("cgan")


def test_the_catalogue_is_whole():
    text = (Path(discovery.__file__).parents[1] / "registry.toml").read_text()
    assert len(tomllib.loads(text)["entry"]) == len(catalogue())
    places = [(e.kind, e.name) for e in catalogue()]
    assert len(set(places)) == len(places)
    for entry in catalogue():
        assert entry.kind in KINDS
        assert entry.distribution.startswith("ganzoo-") and entry.install.startswith("pip install ")


def test_resolve_imports_or_says_why():
    assert resolve("json:loads")("1") == 1
    for target in ("json:nothing", "nowhere_at_all:X", "ganzoo_core.errors:"):
        with pytest.raises(PluginError, match=f"{target} cannot be imported"):
            resolve(target)


def test_specs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec("m").name = "n"
    assert CommandSpec(name="v", help="h", target="a:b").name == "v"


def test_suggestions():
    assert suggest("cgna", ["cgan", "pfa-gan"]) == ' Did you mean "cgan"?'
    assert suggest("zzz", ["b", "a"]) == " There is: a, b."
    assert suggest("zzz", []) == ""
