"""Options that several commands share, with one name and one help text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""`as_json`: the result as JSON on stdout, and nothing else there."""
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Print no progress and no notes, only the result."
)
"""`quiet`: stderr has warnings and errors only."""


def kind_option(kinds: Sequence[str]) -> Callable[[Any], Any]:
    """Return the option `kind`: one of these kinds of entries, or None."""
    return click.option(
        "--kind",
        type=click.Choice(kinds),
        help="The kind of NAME, where several have it. Default: the first that has it.",
    )
