"""Options that several commands share, with one name and one help text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from ganzoo_core.cli.output import remember_quiet

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""`as_json`: the result as JSON on stdout, and nothing else there."""
quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=remember_quiet,
    help="Print no progress and no notes, only the result.",
)
"""stderr has warnings and errors only: `output.is_quiet`, `output.print_note`."""


def kind_option(kinds: Sequence[str]) -> Callable[[Any], Any]:
    """Return the option `kind`: one of these kinds of entries, or None."""
    return click.option(
        "--kind",
        type=click.Choice(kinds),
        metavar="KIND",
        help="The kind of NAME, where several have it; default: the first that has it. One of "
        f"{', '.join(kinds)}.",
    )
