"""`ganzoo weights publish`: ship the weights of a run in a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganzoo_core.cli import output, stored_model
from ganzoo_core.cli.options import json_option, quiet_option

_MEGABYTE = 10**6


@click.command(
    short_help="Ship the weights of a run in a package.",
    epilog=output.examples(
        "ganzoo weights publish runs/cgan-1 cgan-people-64",
        "ganzoo weights publish runs/cgan-1 my-weights --to ../my-plugin",
    ),
)
@click.argument("run", metavar="RUN")
@click.argument("name", metavar="NAME")
@click.option(
    "--to",
    "plugin",
    type=click.Path(path_type=Path),
    default=Path("plugins/pretrained"),
    show_default=True,
    metavar="DIR",
    help="The source folder of the plugin that ships them.",
)
@click.option("--best", "is_best", is_flag=True, help="The best checkpoint, not the last.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "bf16"]),
    default="fp16",
    show_default=True,
    help="Of the floats on disk; loading casts them to fp32.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    metavar="S",
    help="Seed of the sample grid.",
)
@click.option(
    "--include-module",
    "extra_modules",
    multiple=True,
    metavar="NAME",
    help="A network that fine-tuning needs, such as discriminator; may be repeated.",
)
@click.option("--summary", default="", metavar="TEXT", help="One line for lists.")
@click.option(
    "--metric",
    default="",
    metavar="NAME",
    help="The value that lists show, such as 'fid: fid'; default: the GAN-test ratio, FID or the "
    "first.",
)
@click.option(
    "--inputs",
    default="",
    metavar="WEIGHTS",
    help="For a model that translates images: weights that generate the images of its grid.",
)
@click.option(
    "--allow-unevaluated", is_flag=True, help="Publish without the results of `ganzoo evaluate`."
)
@click.option("--replace", is_flag=True, help="Replace weights of this name.")
@json_option
@quiet_option
def publish(*, run: str, name: str, plugin: Path, as_json: bool, **options: Any) -> None:
    """Write the weights of RUN, its evaluation and a sample grid into the package of a plugin, as
    NAME. Averaged weights are taken where the model has them.

    The run has to be evaluated first, and the license of its data has to allow that of the package.
    """
    folder = stored_model.find_weights(run)
    from ganzoo_core.training import publishing

    pretrained = publishing.publish(folder, name, plugin, **options)
    size = sum(path.stat().st_size for path in pretrained.files.values())
    all_sizes = [f.stat().st_size for f in pretrained.path.parent.rglob("*") if f.is_file()]
    output.print_note(
        f"{name}: {size / _MEGABYTE:.1f} MB, sha256 {pretrained.sha256[:16]}; all weights of "
        f"{plugin}: {sum(all_sizes) / _MEGABYTE:.1f} MB"
    )
    facts = {"sha256": pretrained.sha256, "size": size, "package_size": sum(all_sizes)}
    output.print_path(pretrained.path, as_json, **facts)
