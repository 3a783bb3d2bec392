"""Options that several commands share, with one name and one help text."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""`as_json`: the result as JSON on stdout, and nothing else there."""
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Print no progress and no notes, only the result."
)
"""`quiet`: stderr has warnings and errors only."""
