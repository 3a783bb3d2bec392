"""`ganzoo new`: create a plugin distribution from a template."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core import scaffold
from ganzoo_core.cli import completers
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.output import examples, print_note, print_path
from ganzoo_core.errors import UsageError

_NEXT_COMMAND = {
    "dataset": "ganzoo data show {name} --out sheet.png",
    "loss": "ganzoo run MODEL --set model.loss.kind={name}",
    "term": "ganzoo run MODEL --set model.terms.{name}.weight=0.1",
    "metric": "ganzoo evaluate RUN --metrics {name}",
}
"""The command to print for a kind; the default is to run the model."""


@click.command(epilog=examples("ganzoo new my-gan", "ganzoo new my-variant --from sngan"))
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(scaffold.KINDS),
    help="What the plugin registers; default: gan, with --from a composition.",
)
@click.option(
    "--from",
    "source",
    default="",
    metavar="NAME",
    shell_complete=completers.complete_models,
    help="A model, or a composition, of which the new one is a composition.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A new folder; default: ./NAME.",
)
@json_option
@quiet_option
def new(name: str, kind: str | None, source: str, out: Path | None, as_json: bool) -> None:
    """Create a plugin called NAME: an installable distribution that passes its checks."""
    kind = kind or ("composition" if source else "gan")
    if source and kind != "composition":
        raise UsageError(f"--from {source}: only a composition starts from a model, not a {kind}")
    folder = scaffold.create_plugin(name, kind, out or Path(name), source)
    print_path(folder, as_json, name=name, kind=kind)
    print_note(f"install it:  pip install -e {folder}")
    print_note("try it:      " + _NEXT_COMMAND.get(kind, "ganzoo run {name}").format(name=name))
    print_note(f"check it:    ganzoo check {name}")
