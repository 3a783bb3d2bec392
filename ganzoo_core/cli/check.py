"""`ganzoo check`: the conformance checks, one line each."""

from __future__ import annotations

from dataclasses import asdict

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.output import clean, out, out_json
from ganzoo_core.errors import PluginError


@click.command()
@click.argument("name", shell_complete=complete.entries)
@click.option("--only", multiple=True, metavar="CHECK", help="Just this check; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def check(name: str, only: tuple[str, ...], as_json: bool) -> None:
    """Run the conformance checks on NAME; code 4 if one fails.

    NAME is a model, which is examined at its tiny preset, a data set (NAME:PATH where it needs
    files), a loss, a metric, a judge, or a plugin that registers none of these.
    """
    from ganzoo_core.testing import run_checks

    results = []
    for result in run_checks(name, only):
        results.append(result)
        if not as_json:
            verdict = "skip" if result.skipped else "ok  " if result.passed else "FAIL"
            text = result.message or result.purpose
            out(f"{verdict}  {clean(result.name):<24}  {result.seconds:5.1f} s  {clean(text)}")
    if as_json:
        out_json([asdict(result) for result in results])
    failed = [result.name for result in results if not (result.passed or result.skipped)]
    if failed:
        raise PluginError(
            f"{name} fails {len(failed)} of {len(results)} checks: {', '.join(failed)}"
        )
