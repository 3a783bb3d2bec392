"""`ganzoo vae`: pictures of what a VAE's latent space holds."""

from pathlib import Path

import click

from ganzoo_core.errors import OutputError, UsageError

SUFFIXES = (".png", ".jpg", ".webp")


@click.group()
def vae():
    """Look into a VAE: images rebuilt from their codes, walks from code to code."""


def common(command):
    """Add what both pictures take."""
    out = click.option(
        "--out",
        type=click.Path(path_type=Path),
        required=True,
        metavar="FILE.png",
        help="The picture; an old one is replaced.",
    )
    seed = click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        metavar="S",
        help="The same seed takes the same images or latents.",
    )
    folder = click.argument("folder", type=click.Path(path_type=Path), metavar="RUN_OR_BUNDLE")
    return folder(seed(out(command)))


def opened(folder, out):
    """Return the model, once it is sure that the picture can be written.

    Raises:
        UsageError: another suffix, or no VAE. OutputError: no such folder.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--out {out}: the name must end in {', '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise OutputError(f"--out {out}: there is no folder {out.parent}; make it first")
    from ganzoo_core import load
    from ganzoo_vae.model import VAE

    model = load(folder)
    if not isinstance(model, VAE):
        raise UsageError(f"{folder} holds no vae, but a {type(model).__name__}")
    return model


@vae.command()
@common
@click.option("--rows", type=click.IntRange(1, 40), default=6, show_default=True, metavar="N")
@click.option(
    "--steps",
    type=click.IntRange(2, 40),
    default=9,
    show_default=True,
    metavar="N",
    help="Images of a walk.",
)
def walk(folder, out, seed, rows, steps):
    """Walk from one latent to another, a row a walk.

    Latents of length 2 are laid out as the plane itself, as the paper's figure 4 has it.
    """
    model = opened(folder, out)
    from ganzoo_core.report import grid, save_image
    from ganzoo_vae.pictures import walks

    save_image(grid(walks(model, rows, steps, seed), steps), out)
    click.echo(out)


@vae.command()
@common
@click.option(
    "--data",
    default="",
    metavar="NAME[:PATH]",
    help="Images to rebuild; default: those of the run.",
)
@click.option(
    "--rows",
    type=click.IntRange(1, 40),
    default=4,
    show_default=True,
    metavar="N",
    help="Pairs of rows: images, and below them what their codes give.",
)
def rebuild(folder, out, seed, data, rows):
    """Rebuild real images from their codes: a row of images, below it what came back."""
    model = opened(folder, out)
    from ganzoo_core.report import grid, save_image
    from ganzoo_vae.pictures import COLUMNS, images_of, rebuilt

    images = images_of(folder, data, rows * COLUMNS, seed)
    save_image(grid(rebuilt(model, images), COLUMNS), out)
    click.echo(out)
