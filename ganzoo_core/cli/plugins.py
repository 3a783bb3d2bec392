"""`ganzoo plugins`: list plugins, what they register, and their errors."""

from __future__ import annotations

from typing import Any

import click

from ganzoo_core.cli import commands
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.output import (
    examples,
    print_json,
    print_line,
    print_note,
    print_table,
    to_printable,
)
from ganzoo_core.errors import PluginError
from ganzoo_core.zoo import Plugin, zoo


@click.command(epilog=examples("ganzoo plugins", "ganzoo plugins --debug"))
@click.option("--debug", is_flag=True, help="Print the traceback of every broken plugin.")
@click.option("--strict", is_flag=True, help="Exit with code 4 if a plugin is broken.")
@json_option
@quiet_option
def plugins(debug: bool, strict: bool, as_json: bool) -> None:
    """List the plugins, their state, and what each registers.

    GANZOO_PLUGINS=a,b loads only these. GANZOO_STRICT=1 turns on --strict for every command.
    """
    from ganzoo_core.cli.main import is_strict

    records = [_plugin_record(plugin) for plugin in zoo().plugins]
    if as_json:
        print_json(records)
    else:
        columns = ("name", "version", "state", "registers")
        states = {"disabled": "disabled (GANZOO_PLUGINS)", "ok": "ok"}
        rows = [
            (
                r["name"],
                r["origin"],
                states.get(r["state"], f"broken - {r['error']}"),
                ", ".join(r["registers"]),
            )
            for r in records
        ]
        print_table(columns, rows)
    if debug and not as_json:
        for record in records:
            _print_traceback(record)
    broken = [r for r in records if r["state"] == "broken"]
    if broken and not (debug or as_json):
        print_note("`ganzoo plugins --debug` prints the tracebacks")
    if broken and (strict or is_strict()):
        names = ", ".join(r["name"] for r in broken)
        raise PluginError(f"{len(broken)} of {len(records)} plugins are broken: {names}")


def _plugin_record(plugin: Plugin) -> dict[str, Any]:
    """Return the facts of a plugin; the keys are the same for every plugin."""
    problems = [plugin.error] if plugin.error else []
    problems += [
        r.error
        for r in zoo().entries
        if r.error and r.spec is None and r.kind != "plugin" and r.origin == plugin.origin
    ]
    command_names = {command.name for command in plugin.commands}
    problems += [
        reason for name, reason in commands.rejected_commands().items() if name in command_names
    ]
    return {
        "name": plugin.name,
        "origin": plugin.origin,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": "broken" if problems else "disabled" if plugin.is_disabled else "ok",
        "error": "; ".join(problems),
        "traceback": plugin.traceback,
        "registers": [
            *(s.name for s in plugin.specs),
            *(f"command {name}" for name in sorted(command_names)),
        ],
    }


def _print_traceback(record: dict[str, Any]) -> None:
    if record["traceback"]:
        print_line(f"\n{to_printable(record['name'])} ({to_printable(record['origin'])}):")
        for line in record["traceback"].splitlines():
            indent = len(line) - len(line.lstrip())
            print_line("  " + " " * indent + to_printable(line))
