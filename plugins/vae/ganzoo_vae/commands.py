"""`ganzoo vae`: image grids of reconstructions and latent interpolations."""

from pathlib import Path

import click

from ganzoo_core.cli import stored_model
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.output import print_path
from ganzoo_core.errors import OutputError, UsageError

_IMAGE_SUFFIXES = (".png", ".jpg", ".webp")


@click.group(
    epilog="\b\nNext steps:\n"
    "  ganzoo run vae\n"
    "  ganzoo vae reconstruct runs/vae-1 --out images.png\n"
    "  ganzoo vae interpolate runs/vae-1 --out images.png"
)
def vae():
    """Draw reconstructions and latent interpolations of a VAE."""


def _common_options(command):
    out = click.option(
        "--out",
        type=click.Path(path_type=Path),
        required=True,
        metavar="FILE.png",
        help="The image file to write; an existing one is replaced.",
    )
    seed = click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        metavar="S",
        help="Seed of the choice of images or latents.",
    )
    return stored_model.weights_argument(seed(out(json_option(quiet_option(command)))))


def _load_vae(folder, out):
    if out.suffix.lower() not in _IMAGE_SUFFIXES:
        raise UsageError(f"--out {out}: the name must end in {', '.join(_IMAGE_SUFFIXES)}")
    if not out.parent.is_dir():
        raise OutputError(f"--out {out}: there is no folder {out.parent}; create it first")
    path = stored_model.find_weights(folder)
    from ganzoo_core import load
    from ganzoo_vae.model import VAE

    model = load(path)
    if not isinstance(model, VAE):
        raise UsageError(f"{folder} holds a {type(model).__name__}, not a vae")
    return model, path


@vae.command(epilog="\b\nExamples:\n  ganzoo vae interpolate runs/vae-1 --out images.png")
@_common_options
@click.option(
    "--rows",
    type=click.IntRange(1, 40),
    default=6,
    show_default=True,
    metavar="N",
    help="Interpolations.",
)
@click.option(
    "--points",
    type=click.IntRange(2, 40),
    default=9,
    show_default=True,
    metavar="N",
    help="Images of each interpolation.",
)
def interpolate(*, folder, out, seed, rows, points, as_json):
    """Interpolate between two latents in each row.

    For latents of length 2 the grid covers the latent plane, as in figure 4 of the paper.
    """
    model, _ = _load_vae(folder, out)
    from ganzoo_core.report import make_grid, save_image
    from ganzoo_vae.visualization import draw_interpolations

    save_image(make_grid(draw_interpolations(model, rows, points, seed), points), out)
    print_path(out, as_json)


@vae.command(epilog="\b\nExamples:\n  ganzoo vae reconstruct runs/vae-1 --out images.png")
@_common_options
@click.option(
    "--data",
    default="",
    metavar="NAME[:PATH]",
    help="The real images; default: those of the run.",
)
@click.option(
    "--rows",
    type=click.IntRange(1, 40),
    default=4,
    show_default=True,
    metavar="N",
    help="Pairs of rows: real images, and below them their reconstructions.",
)
def reconstruct(*, folder, out, seed, data, rows, as_json):
    """Reconstruct real images: a row of images, below it a row of reconstructions."""
    model, path = _load_vae(folder, out)
    from ganzoo_core.report import make_grid, save_image
    from ganzoo_vae.visualization import IMAGES_PER_ROW, draw_reconstructions, load_images

    images = load_images(path, data, rows * IMAGES_PER_ROW, seed)
    save_image(make_grid(draw_reconstructions(model, images), IMAGES_PER_ROW), out)
    print_path(out, as_json)
