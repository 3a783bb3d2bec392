"""`ganzoo check`: the conformance checks, one line each."""

from __future__ import annotations

from dataclasses import asdict

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.output import clean, out, out_json
from ganzoo_core.errors import PluginError


@click.command()
@click.argument("name", shell_complete=complete.models)
@click.option("--only", multiple=True, metavar="CHECK", help="Just this check; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def check(name: str, only: tuple[str, ...], as_json: bool) -> None:
    """Run the conformance checks on the model NAME, at its tiny preset; code 4 if one fails."""
    from ganzoo_core.testing.checks import run_checks

    results = []
    for result in run_checks(name, only):
        results.append(result)
        if not as_json:
            verdict = "ok  " if result.passed else "FAIL"
            text = result.purpose if result.passed else result.message
            out(f"{verdict}  {clean(result.name):<20}  {result.seconds:5.1f} s  {clean(text)}")
    if as_json:
        out_json([asdict(result) for result in results])
    failed = [result.name for result in results if not result.passed]
    if failed:
        raise PluginError(
            f"{name} fails {len(failed)} of {len(results)} checks: {', '.join(failed)}"
        )
