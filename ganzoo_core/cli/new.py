"""`ganzoo new`: create a plugin distribution from a template."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core import scaffold
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.output import examples, print_note, print_path

_NEXT_COMMAND = {
    "dataset": "ganzoo data show {name} --out sheet.png",
    "loss": "ganzoo run MODEL --set model.loss.kind={name}",
    "term": "ganzoo run MODEL --set model.terms.{name}.weight=0.1",
    "metric": "ganzoo evaluate RUN --metrics {name}",
}
"""The command to print for a kind; the default is to run the model."""


@click.command(epilog=examples("ganzoo new my-gan", "ganzoo new my-loss --kind loss"))
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(scaffold.KINDS),
    default="gan",
    show_default=True,
    help="What the plugin registers.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A new folder; default: ./NAME.",
)
@json_option
@quiet_option
def new(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Create a plugin called NAME: an installable distribution that passes its checks."""
    folder = scaffold.create_plugin(name, kind, out or Path(name))
    print_path(folder, as_json, name=name, kind=kind)
    print_note(f"install it:  pip install -e {folder}")
    print_note("try it:      " + _NEXT_COMMAND.get(kind, "ganzoo run {name}").format(name=name))
    print_note(f"check it:    ganzoo check {name}")
