"""`ganzoo visualise`: what the maps of a convolutional network see."""

import json
from pathlib import Path

import click

from ganzoo_core.errors import OutputError, UsageError, suggest


@click.command()
@click.argument("weights", metavar="RUN_OR_WEIGHTS")
@click.option("--layer", metavar="L", help="A layer by name; left out: lists the layers.")
@click.option(
    "--net",
    default="",
    metavar="NET",
    help="A network of the model; default: the discriminator, or the first.",
)
@click.option(
    "--data",
    default="",
    metavar="NAME[:PATH]",
    help="Pictures; default: the data set the weights learned from.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="data.x=v",
    help="An option of the data set; may be repeated.",
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1),
    metavar="N",
    help="Pictures looked through; default 2000, or 8 with --occlude.",
)
@click.option(
    "--maps",
    type=click.IntRange(1),
    default=9,
    metavar="N",
    help="Maps shown, the most selective ones; default 9.",
)
@click.option(
    "--map",
    "wanted",
    type=click.IntRange(0),
    multiple=True,
    metavar="K",
    help="A map by number instead; may be repeated.",
)
@click.option(
    "--occlude",
    type=click.IntRange(1),
    metavar="PX",
    help="Cover squares of this edge instead; show where the answer falls.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.png", help="The picture.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def visualise(
    *, weights, layer, net, data, assignments, count, maps, wanted, occlude, out, as_json
):
    """Project the maps of a network back to pixels, or cover parts of pictures.

    For each map: the nine pictures that excite it most, what in them does (left), and the
    patches themselves (right).
    """
    from ganzoo_core.config import assign
    from ganzoo_core.report import save_image
    from ganzoo_deconvnet.looking import cover, look
    from ganzoo_deconvnet.subject import open_subject, show

    subject = open_subject(weights, net)
    if (layer or occlude) and out is None:
        raise UsageError("say where the picture goes: --out FILE.png")
    if out is not None and out.suffix.lower() not in {".png", ".jpg", ".webp"}:
        raise OutputError(f"--out {out}: give a name that ends in .png")
    known = layers(subject)
    if not layer and not occlude:
        return say(as_json, {"net": subject.name, "layers": known}, listing(subject, known))
    if layer and layer not in known:
        raise UsageError(
            f"--layer {layer}: {subject.name} has no such layer."
            f"{suggest(layer, known)} (without --layer all are listed)"
        )
    options = assign(assignments).get("data", {})
    images, labels = show(subject, data, count or (8 if occlude else 2000), options)
    if occlude:
        sheet, facts = cover(subject, layer, images, labels, patch=occlude)
    else:
        sheet, facts = look(
            subject, layer, images, labels, shape=known[layer], count=maps, wanted=wanted
        )
    save_image(sheet, out)
    return say(as_json, facts, f"{out}: {facts['what']}")


def say(as_json, facts, text):
    """Print facts as JSON, or as text."""
    click.echo(json.dumps(facts, indent=2) if as_json else text)


def listing(subject, known):
    """Return the layers as a table."""
    rows = [f"{name:<40}{m:>5} maps of {h} x {w}" for name, (m, h, w) in known.items()]
    return "\n".join([f"layers of {subject.name}, for --layer:", *rows])


def layers(subject):
    """Return the layers of the network: (maps, height, width) by name."""
    try:
        return subject.layers()
    except (TypeError, RuntimeError, AttributeError) as error:
        line = str(error).splitlines()[0][:120]
        raise UsageError(
            f"{subject.name} does not take pictures alone ({line}): name another network by --net"
        ) from None
