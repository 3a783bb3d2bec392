"""`ganzoo check`: the conformance checks, one line each."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.output import clean, note, out, out_json
from ganzoo_core.errors import PluginError, UsageError


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.anything)
@click.option("--all", "everyone", is_flag=True, help="All that is installed.")
@click.option("--only", multiple=True, metavar="CHECK", help="Just this check; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def check(names: tuple[str, ...], everyone: bool, only: tuple[str, ...], as_json: bool) -> None:
    """Run the conformance checks on each NAME; code 4 if one fails.

    NAME is a model, which is examined at its tiny preset, a data set (NAME:PATH where it needs
    files), a loss, a metric, a judge, or a plugin that registers none of these.
    """
    from ganzoo_core.testing import run_checks
    from ganzoo_core.testing.subject import everything

    if bool(names) == everyone:
        raise UsageError("name what to check, such as ganzoo check cgan, or give --all")
    results = []
    for result in run_checks(*(everything() if everyone else names), only=only):
        results.append(result)
        if not as_json:
            verdict = "skip" if result.skipped else "ok  " if result.passed else "FAIL"
            whose = "" if len(names) == 1 else f"  {clean(result.entry):<20}"
            text = clean(result.message or result.purpose)
            out(f"{verdict}{whose}  {clean(result.name):<24}  {result.seconds:5.1f} s  {text}")
    if as_json:
        out_json([asdict(result) for result in results])
    made, failed = Counter(result.entry for result in results), []
    for entry, count in made.items():
        wrong = [r.name for r in results if r.entry == entry and not (r.passed or r.skipped)]
        if wrong:
            failed.append(f"{entry} fails {len(wrong)} of {count} checks: {', '.join(wrong)}")
    if failed:
        raise PluginError("; ".join(failed))
    note(f"{len(results)} checks in {sum(result.seconds for result in results):.1f} s")
