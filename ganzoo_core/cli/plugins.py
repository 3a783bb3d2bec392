"""`ganzoo plugins`: what is installed, what it registers, and what is broken."""

from __future__ import annotations

from typing import Any

import click

from ganzoo_core.cli import verbs
from ganzoo_core.cli.output import clean, note, out, out_json, table
from ganzoo_core.errors import PluginError
from ganzoo_core.zoo import Plugin, zoo


@click.command()
@click.option("--debug", is_flag=True, help="Show the traceback of every broken plugin.")
@click.option("--strict", is_flag=True, help="Exit with code 4 if a plugin is broken.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def plugins(debug: bool, strict: bool, as_json: bool) -> None:
    """List the plugins, what each registers, and its state.

    GANZOO_PLUGINS=a,b loads only these; GANZOO_STRICT=1 makes every verb as strict as --strict.
    """
    from ganzoo_core.cli.main import is_strict

    records = [record(plugin) for plugin in zoo().plugins]
    if as_json:
        out_json(records)
    else:
        columns = ("name", "version", "state", "registers")
        rows = [(r["name"], r["origin"], state(r), ", ".join(r["registers"])) for r in records]
        table(columns, rows)
    if debug and not as_json:
        for plugin in zoo().plugins:
            show_trace(plugin)
    broken = [r for r in records if r["state"] == "broken"]
    if broken and not (debug or as_json):
        note("`ganzoo plugins --debug` shows where a plugin breaks")
    if broken and (strict or is_strict()):
        names = ", ".join(r["name"] for r in broken)
        raise PluginError(f"{len(broken)} of {len(records)} plugins are broken: {names}")


def record(plugin: Plugin) -> dict[str, Any]:
    """Return the record of a plugin; keys are the same for every plugin."""
    problems = [plugin.error] if plugin.error else []
    problems += [
        r.error
        for r in zoo().rows
        if r.error and r.spec is None and r.kind != "plugin" and r.origin == plugin.origin
    ]
    mine = {command.name for command in plugin.commands}
    problems += [why for name, why in verbs.refused().items() if name in mine]
    return {
        "name": plugin.name,
        "origin": plugin.origin,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": "broken" if problems else "off" if plugin.off else "ok",
        "error": "; ".join(problems),
        "trace": plugin.trace,
        "registers": [*(s.name for s in plugin.specs), *(f"verb {name}" for name in sorted(mine))],
    }


def state(record: dict[str, Any]) -> str:
    """Return what the state column says."""
    if record["state"] == "off":
        return "off (GANZOO_PLUGINS)"
    return f"broken - {record['error']}" if record["error"] else "ok"


def show_trace(plugin: Plugin) -> None:
    """Print a broken plugin's traceback, indented, its control characters removed."""
    if plugin.trace:
        out(f"\n{clean(plugin.name)} ({clean(plugin.origin)}):")
        for line in plugin.trace.splitlines():
            indent = len(line) - len(line.lstrip())
            out("  " + " " * indent + clean(line))
