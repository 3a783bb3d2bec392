"""`ganzoo visualize`: the feature maps of a convolutional network, or occlusion maps."""

from pathlib import Path

import click

from ganzoo_core.cli import stored_model
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.cli.output import print_json, print_line
from ganzoo_core.errors import OutputError, UsageError, suggest
from ganzoo_core.zoo import zoo


@click.command(
    epilog="\b\nExamples:\n"
    "  ganzoo visualize runs/cgan-1\n"
    "  ganzoo visualize runs/cgan-1 --layer conv3 --out maps.png"
)
@click.argument("weights", metavar="RUN_OR_WEIGHTS")
@click.option("--layer", metavar="L", help="Name of a layer; without it the layers are listed.")
@click.option(
    "--net",
    "net_name",
    default="",
    metavar="NET",
    help="A network of the model; default: the discriminator, or the first one.",
)
@click.option(
    "--data",
    default="",
    metavar="NAME[:PATH]",
    help="The images; default: the data set that the weights were trained on.",
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
    "num_images",
    type=click.IntRange(1),
    metavar="N",
    help="Number of images; default 2000, or 8 with --occlude.",
)
@click.option(
    "--num-maps",
    type=click.IntRange(1),
    default=9,
    metavar="N",
    help="Number of maps, the most selective ones; default 9.",
)
@click.option(
    "--map",
    "map_indices",
    type=click.IntRange(0),
    multiple=True,
    metavar="K",
    help="Index of a map instead; may be repeated.",
)
@click.option(
    "--occlude",
    type=click.IntRange(1),
    metavar="PX",
    help="Occlude squares of this size instead, and show where the score drops.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE.png", help="The image file to write."
)
@json_option
@quiet_option
def visualize(
    *,
    weights,
    layer,
    net_name,
    data,
    assignments,
    num_images,
    num_maps,
    map_indices,
    occlude,
    out,
    as_json,
):
    """Project the feature maps of a network back to pixels, or occlude parts of images.

    For each map: projections of the nine highest activations (left), and the image patches
    (right).
    """
    if weights not in zoo().names("evaluator"):
        weights = stored_model.find_weights(weights)
    from ganzoo_core.config import parse_assignments
    from ganzoo_core.report import save_image
    from ganzoo_deconvnet.inspected_network import load_images, load_network
    from ganzoo_deconvnet.visualize import visualize_maps, visualize_occlusion

    network = load_network(weights, net_name)
    if (layer or occlude) and out is None:
        raise UsageError("--layer and --occlude need --out FILE.png")
    if out is not None and out.suffix.lower() not in {".png", ".jpg", ".webp"}:
        raise OutputError(f"--out {out}: the name must end in .png, .jpg or .webp")
    layer_shapes = _list_layers(network)
    if not layer and not occlude:
        rows = [f"{name:<40}{m:>5} maps of {h} x {w}" for name, (m, h, w) in layer_shapes.items()]
        text = "\n".join([f"layers of {network.name}, for --layer:", *rows])
        return _print_result(as_json, {"net": network.name, "layers": layer_shapes}, text)
    if layer and layer not in layer_shapes:
        raise UsageError(
            f"--layer {layer}: {network.name} has no such layer."
            f"{suggest(layer, layer_shapes)} (leave --layer out to list the layers)"
        )
    options = parse_assignments(assignments).get("data", {})
    images, labels = load_images(network, data, num_images or (8 if occlude else 2000), options)
    if occlude:
        sheet, result = visualize_occlusion(network, layer, images, labels, patch_size=occlude)
    else:
        sheet, result = visualize_maps(
            network,
            layer,
            images,
            labels,
            layer_shape=layer_shapes[layer],
            num_maps=num_maps,
            map_indices=map_indices,
        )
    save_image(sheet, out)
    return _print_result(as_json, result, f"{out}: {result['summary']}")


def _print_result(as_json, result, text):
    if as_json:
        print_json(result)
    else:
        print_line(text)


def _list_layers(network):
    """Return the layers of the network: (maps, height, width) by name."""
    try:
        return network.layer_shapes()
    except (TypeError, RuntimeError, AttributeError) as error:
        line = str(error).splitlines()[0][:120]
        raise UsageError(
            f"{network.name} does not accept images alone ({line}): use --net"
        ) from None
