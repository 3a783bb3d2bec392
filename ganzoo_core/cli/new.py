"""`ganzoo new`: the beginning of a plugin of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core import scaffold
from ganzoo_core.cli.output import note, out

TRY = {
    "dataset": "ganzoo data show {name} --out sheet.png",
    "loss": "ganzoo run MODEL --set model.loss.kind={name}",
    "metric": "ganzoo evaluate RUN --metrics {name}",
}
"""What to do with a kind; models run."""


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(scaffold.KINDS),
    default="gan",
    show_default=True,
    help="What the plugin adds to the zoo.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder that does not exist yet; default: ./NAME.",
)
def new(name: str, kind: str, out: Path | None) -> None:
    """Begin a plugin called NAME: a distribution that installs, works and passes its checks."""
    folder = scaffold.create(name, kind, out or Path(name))
    tell(name, kind, folder)


def tell(name: str, kind: str, folder: Path) -> None:
    """Print where it is, and what comes next."""
    out(str(folder))
    note(f"install it:  pip install -e {folder}")
    note("try it:      " + TRY.get(kind, "ganzoo run {name}").format(name=name))
    note(f"check it:    ganzoo check {name}")
