"""`ganzoo weights`: share a model as one folder that anyone can load and nobody can abuse."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core.cli import complete, output

FOLDER = click.Path(path_type=Path)


@click.group()
def weights() -> None:
    """Export, verify, import, compare and share weights."""


@weights.command("import")
@click.argument("file", type=FOLDER, metavar="FILE")
@click.option("--as", "model", required=True, metavar="MODEL", shell_complete=complete.models,
              help="The model of the zoo that it is a checkpoint of.")  # fmt: skip
@click.option("--out", type=FOLDER, required=True, metavar="DIR", help="The bundle to make.")
@click.option("--preset", default="", metavar="P", help="Its networks are those of this preset.")
@click.option("--set", "assignments", multiple=True, metavar="a.b=v",
              help="An option its networks were built with; may be repeated.")  # fmt: skip
@click.option("--license", default="", metavar="TERMS", help="The terms of the weights.")
def import_(
    *, file: Path, model: str, out: Path, preset: str, assignments: tuple[str, ...], license: str
) -> None:
    """Turn a .pt, .pth or .safetensors FILE from elsewhere into a bundle. Runs no code in it."""
    from ganzoo_core.runs.importing import import_weights

    bundle = import_weights(
        file, model, out, preset=preset, assignments=assignments, license=license
    )
    if not bundle.index["source"]["verified"]:
        output.note("unverified: no registry knows the sha256 of this file")
    output.out(str(out))
