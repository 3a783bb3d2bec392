"""`ganzoo check`: run conformance checks, one line each."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click

from ganzoo_core.cli import completers
from ganzoo_core.cli.lookup import find_spec
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.output import examples, print_json, print_line, print_note, to_printable
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.zoo import zoo


@click.command(
    epilog=examples("ganzoo check cgan", "ganzoo check my-gan --only resume", "ganzoo check --all")
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=completers.complete_entries)
@click.option("--all", "check_all", is_flag=True, help="Check every installed entry.")
@click.option(
    "--only", multiple=True, metavar="CHECK", help="Run only this check; may be repeated."
)
@json_option
@quiet_option
def check(names: tuple[str, ...], check_all: bool, only: tuple[str, ...], as_json: bool) -> None:
    """Run the conformance checks on each NAME; exit code 4 if one fails.

    NAME is a model (checked at its smoke preset), a data set (NAME:PATH if it needs files), an
    evaluator, a loss, a metric, or a plugin that registers none of these.
    """
    if bool(names) == check_all:
        raise UsageError("give the names of entries, such as ganzoo check cgan, or --all")
    _check_names(names)
    from ganzoo_core.testing import run_checks
    from ganzoo_core.testing.subject import all_entry_names

    results = []
    for result in run_checks(*(all_entry_names() if check_all else names), only=only):
        results.append(result)
        if not as_json:
            status = "skip" if result.skipped else "ok  " if result.passed else "FAIL"
            entry = "" if len(names) == 1 else f"  {to_printable(result.entry):<20}"
            text = to_printable(result.message or result.purpose)
            name = to_printable(result.name)
            print_line(f"{status}{entry}  {name:<27}  {result.seconds:5.1f} s  {text}")
    if as_json:
        print_json([asdict(result) for result in results])
    failures = []
    for entry, count in Counter(result.entry for result in results).items():
        failed = [r.name for r in results if r.entry == entry and not (r.passed or r.skipped)]
        if failed:
            failures.append(f"{entry} fails {len(failed)} of {count} checks: {', '.join(failed)}")
    if failures:
        raise PluginError("; ".join(failures))
    print_note(f"{len(results)} checks in {sum(result.seconds for result in results):.1f} s")


def _check_names(names: tuple[str, ...]) -> None:
    """Refuse an unknown name before torch is imported; raises as `find_spec` does."""
    plugins = {plugin.name for plugin in zoo().plugins}
    known = {entry.name for entry in zoo().entries} | plugins
    for name in names:
        entry = name.partition(":")[0]  # of NAME:PATH
        if entry not in known:
            find_spec(entry, extra_candidates=plugins)
