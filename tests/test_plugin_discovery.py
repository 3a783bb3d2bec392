"""Discovery, lookup and registry.toml, without the command line."""

import dataclasses
import sys
import tomllib
from importlib.metadata import entry_points
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
    discovery,
    import_target,
    registry_entries,
)
from ganzoo_core.zoo.entry_points import EntryPoint, find_entry_points

PLUGIN_HEADER = "from ganzoo_core import CommandSpec, DatasetSpec, ModelSpec, hookimpl\n@hookimpl\n"
MODULE_COUNTER = iter(range(1000))


@pytest.fixture
def load_plugin(tmp_path, monkeypatch):
    """Load a plugin from its source."""

    def load_source(code, name="p"):
        module = f"throwaway_{next(MODULE_COUNTER)}"
        (tmp_path / f"{module}.py").write_text(code)
        return discovery.load_plugin(Plugin(name, f"ganzoo-{name}", "1.0", target=module))

    monkeypatch.syspath_prepend(tmp_path)
    return load_source


def plugin_source(spec_source):
    return f"{PLUGIN_HEADER}def ganzoo_register(zoo):\n    zoo.add({spec_source})\n"


def make_spec(name, spec_class=ModelSpec, **more):
    return spec_class(name=name, summary=f"About {name}", target="a.b:C", **more)


def make_plugin(name, *specs, **more):
    return Plugin(name, f"ganzoo-{name}", "1.0", list(specs), **more)


def test_plugin_registers(load_plugin):
    plugin = load_plugin(plugin_source('ModelSpec(name="m", summary="s", target="a.b:C")'))
    assert (plugin.error, plugin.traceback) == ("", "")
    assert [s.name for s in plugin.specs] == ["m"]
    assert plugin.origin == "ganzoo-p 1.0"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        (f"{PLUGIN_HEADER}def ganzoo_registre(zoo):\n    pass", "'ganzoo_registre'"),
        (f"{PLUGIN_HEADER}def ganzoo_register(zoo, more):\n    pass", "PluginValidationError"),
        (f"{PLUGIN_HEADER}def ganzoo_register(zoo):\n    1 / 0", "ZeroDivisionError"),
        (plugin_source("'cgan'"), "'cgan'"),
        (plugin_source('ModelSpec(name="m", summary=3, target="a.b:C")'), "summary of"),
        (plugin_source('ModelSpec(name="", summary="s", target="a.b:C")'), "''"),
        (plugin_source('ModelSpec(name="m", summary="s", target="a.b.C")'), "package.module:Class"),
        (
            plugin_source('ModelSpec(name="m", summary="s", target="a:C", api_version=99)'),
            "upgrade ganzoo-core",
        ),
        (
            plugin_source('ModelSpec(name="m", summary="s", target="a:C", api_version=0)'),
            "upgrade ganzoo-p",
        ),
        (f"{PLUGIN_HEADER}def ganzoo_commands():\n    return ['run']", "CommandSpec"),
    ],
)
def test_broken_plugin_error(load_plugin, code, words):
    plugin = load_plugin(code)
    assert words in plugin.error
    assert "\n" not in plugin.error
    assert "Traceback" in plugin.traceback
    assert (plugin.specs, plugin.commands, plugin.hooks) == ([], [], {})


def test_broken_plugin_specs_dropped(load_plugin):
    good = 'ModelSpec(name="m", summary="s", target="a.b:C")'
    assert load_plugin(plugin_source(f"{good}, None")).specs == []


def test_ganzoo_plugins_env_selects(monkeypatch):
    found = [EntryPoint(name, "json", "json", "1.0") for name in ("a", "b")]
    monkeypatch.setattr(discovery, "find_entry_points", lambda: found)
    states = {}
    for value in (None, "", "a", " a , c "):
        if value is None:
            monkeypatch.delenv("GANZOO_PLUGINS", raising=False)
        else:
            monkeypatch.setenv("GANZOO_PLUGINS", value)
        states[value] = [(p.name, p.is_disabled) for p in discovery.discover_plugins()]
    assert states[None] == [("a", False), ("b", False)]
    assert states[""] == [("a", True), ("b", True)]
    assert states["a"] == states[" a , c "] == [("a", False), ("b", True)]


def write_metadata(folder, name, version, entry_points, file="METADATA"):
    folder.mkdir(parents=True)
    (folder / file).write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: x\n"
    )
    (folder / "entry_points.txt").write_text(entry_points)


def test_entry_points_are_those_of_importlib_metadata():
    """All first-party plugins, as they are installed here."""
    expected = sorted(
        (e.name, e.dist.name, e.value, e.dist.version) for e in entry_points(group="ganzoo.plugins")
    )
    assert [found[:4] for found in find_entry_points()] == expected
    assert len(expected) > 20 and not any(found.error for found in find_entry_points())


def test_entry_points_of_unusual_metadata(tmp_path, monkeypatch):
    other = "[console_scripts]\nno equals sign\n"
    write_metadata(
        tmp_path / "a" / "ganzoo_one-2.0.dist-info",
        "ganzoo-one",
        "2.0",
        f"{other}\n[ganzoo.plugins]\n# a comment\none = one.plugin : main [extra]\n\n[b]\nx=y\n",
    )
    write_metadata(
        tmp_path / "b" / "Ganzoo.One-1.0.dist-info",
        "Ganzoo.One",
        "1.0",
        "[ganzoo.plugins]\none = old",
    )
    write_metadata(
        tmp_path / "b" / "two.egg-info", "two", "3", "[ganzoo.plugins]\ntwo=two", file="PKG-INFO"
    )
    write_metadata(tmp_path / "b" / "three-1.dist-info", "three", "1", other)
    bad = tmp_path / "b" / "bad-1.dist-info"
    write_metadata(bad, "bad", "1", "[ganzoo.plugins]\nbad")
    (tmp_path / "file").touch()
    paths = [tmp_path / name for name in ("nowhere", "file", "a", "b")]
    monkeypatch.setattr(sys, "path", [str(path) for path in paths])
    *broken, one, two = find_entry_points()
    assert one == ("one", "ganzoo-one", "one.plugin:main", "2.0", "")
    assert two == ("two", "two", "two", "3", "")
    assert [point.name for point in broken] == ["bad"]
    assert f"{bad}/entry_points.txt is malformed" in broken[0].error


def test_entries_are_sorted():
    zoo = Zoo(
        [
            make_plugin("x", make_spec("b"), make_spec("d", DatasetSpec), make_spec("a")),
            make_plugin("y", error="e"),
        ]
    )
    assert [(e.kind, e.name) for e in zoo.entries] == [
        ("model", "a"),
        ("model", "b"),
        ("dataset", "d"),
        ("plugin", "y"),
    ]
    assert zoo.names("model") == ["a", "b"]
    assert zoo.model("a").summary == "About a"
    assert zoo.origin(zoo.model("a")) == "ganzoo-x 1.0"


def test_duplicate_name_names_both_distributions():
    zoo = Zoo(
        [make_plugin("x", make_spec("m")), make_plugin("y", make_spec("m"), make_spec("other"))]
    )
    with pytest.raises(PluginError, match=r"ganzoo-x 1\.0 and ganzoo-y 1\.0"):
        zoo.model("m")
    assert zoo.names("model") == ["other"]
    assert [bool(e.error) for e in zoo.entries if e.name == "m"] == [True, True]


def test_same_name_in_two_kinds():
    zoo = Zoo([make_plugin("x", make_spec("m"), make_spec("m", DatasetSpec))])
    assert zoo.model("m").target == zoo.dataset("m").target


def test_unknown_name_suggests_closest():
    zoo = Zoo([make_plugin("x", make_spec("people-gan"))])
    with pytest.raises(UsageError, match='Did you mean "people-gan"'):
        zoo.model("peple-gan")
    with pytest.raises(UsageError, match=": y "):
        Zoo([make_plugin("y", error="e")]).model("zzzzzz")


def test_missing_entry_says_how_to_install():
    for entry in registry_entries():
        find = getattr(Zoo([]), entry.kind)
        with pytest.raises(PluginError) as caught:
            find(entry.name)
        assert entry.install in str(caught.value)


def test_broken_or_disabled_plugin_error():
    with pytest.raises(PluginError, match=r"E: x \(ganzoo-cgan 1\.0\)"):
        Zoo([make_plugin("cgan", error="E: x")]).model("cgan")
    with pytest.raises(PluginError, match="GANZOO_PLUGINS"):
        Zoo([make_plugin("cgan", is_disabled=True)]).model("cgan")


def test_registry_is_complete():
    text = (Path(discovery.__file__).parents[1] / "registry.toml").read_text()
    assert len(tomllib.loads(text)["entry"]) == len(registry_entries())
    keys = [(e.kind, e.name) for e in registry_entries()]
    assert len(set(keys)) == len(keys)
    for entry in registry_entries():
        assert entry.kind in KINDS
        assert entry.distribution.startswith("ganzoo-") and entry.install.startswith("pip install ")


def test_import_target_errors():
    assert import_target("json:loads")("1") == 1
    for target in ("json:nothing", "nowhere_at_all:X", "ganzoo_core.errors:"):
        with pytest.raises(PluginError, match=target):
            import_target(target)


def test_specs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_spec("m").name = "n"
    assert CommandSpec(name="v", help="h", target="a:b").name == "v"


def test_suggest_messages():
    assert suggest("cgna", ["cgan", "pfa-gan"]) == ' Did you mean "cgan"?'
    assert suggest("zzz", ["b", "a"]) == " Known: a, b."
    assert suggest("zzz", []) == ""
