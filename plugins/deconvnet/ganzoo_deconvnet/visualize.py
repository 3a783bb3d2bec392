"""Contact sheets: the images with the highest activations of each map, or occluded images."""

import torch

from ganzoo_core.errors import UsageError
from ganzoo_deconvnet.deconvnet import make_top_map_score, project, top_activations
from ganzoo_deconvnet.occlusion import occlusion_map
from ganzoo_deconvnet.plotting import (
    crop_patches,
    plot_maps,
    plot_occlusion_maps,
    projection_radius,
)

_BATCH_SIZE = 128


def visualize_maps(network, layer, images, labels, *, layer_shape, num_maps, map_indices=()):
    """Draw the nine images with the highest activations of each map, and their projections.

    Args:
        network: an `InspectedNetwork`.
        layer: name of the layer.
        images: [N, C, S, S] in [-1, 1].
        labels: [N], or None.
        layer_shape: (maps, height, width).
        num_maps: how many maps, the most selective ones.
        map_indices: these maps instead.

    Returns:
        the contact sheet, and the result as plain JSON values.

    Raises:
        UsageError: no such map, or no map is active.
    """
    rows = torch.arange(len(images)).split(_BATCH_SIZE)
    batch_rows = iter(rows)  # the rows of the labels of each batch

    def forward(batch):
        return network.forward(batch, None if labels is None else labels[next(batch_rows)])

    values, image_indices, positions, selectivity = top_activations(
        network.net, layer, forward, (images[r] for r in rows)
    )
    if map_indices and max(map_indices) >= layer_shape[0]:
        raise UsageError(f"--map {max(map_indices)}: {layer} has maps 0 to {layer_shape[0] - 1}")
    ranked = selectivity.masked_fill(values[:, 0] <= 0, float("-inf")).argsort(descending=True)
    shown_maps = list(map_indices) or [k for k in ranked.tolist() if values[k, 0] > 0][:num_maps]
    if not shown_maps:
        raise UsageError(f"--layer {layer}: no map is active on these images: use other --data")
    projections = {}
    for k in shown_maps:
        label = None if labels is None else labels[image_indices[k]]
        projections[k] = project(
            network.net,
            layer,
            lambda x, y=label: network.forward(x, y),
            images[image_indices[k]],
            (torch.full_like(positions[k], k), positions[k]),
        )
    radius = max(projection_radius(projections[k], positions[k], layer_shape) for k in shown_maps)
    maps = []
    for k in shown_maps:
        patches = crop_patches(images[image_indices[k]], positions[k], layer_shape, radius)
        crops = crop_patches(projections[k], positions[k], layer_shape, radius)
        crops = crops / crops.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)  # 0 is gray
        maps.append((f"map {k}", crops, patches))
    summary = f"{len(shown_maps)} maps of {network.name} {layer}, of {len(images):,} images"
    return plot_maps(maps), {
        "summary": summary,
        "net": network.name,
        "layer": layer,
        "maps": shown_maps,
        "num_images": len(images),
        "patch_size": min(2 * radius, images.shape[2]),
    }


def visualize_occlusion(network, layer, images, labels, *, patch_size):
    """Draw where the score of the network drops under a gray square.

    Args:
        network: an `InspectedNetwork`.
        layer: None for the score of the network; else the score is the sum over the map of this
            layer with the highest activation.
        images: [N, C, S, S] in [-1, 1].
        labels: [N], or None.
        patch_size: edge of the square, in pixels.

    Returns:
        the contact sheet, and the result as plain JSON values.

    Raises:
        UsageError: the square covers the whole image, or the network has no score.
    """
    if patch_size >= images.shape[2]:
        raise UsageError(
            f"--occlude {patch_size} covers the whole image: use less than {images.shape[2]}"
        )
    heatmaps = []
    for i, image in enumerate(images):
        label = None if labels is None else labels[i : i + 1]

        def forward(x, y=label):
            return network.forward(x, None if y is None else y.expand(len(x)))

        def score_image(x, image=image[None], y=label):
            return network.score(x, image, None if y is None else y.expand(len(x)))

        score = make_top_map_score(network.net, layer, forward, image) if layer else score_image
        heatmaps.append(occlusion_map(score, image, patch_size, max(1, patch_size // 4)))
    summary = f"{len(images)} images occluded by {patch_size} px"
    result = {"summary": summary, "net": network.name, "layer": layer, "num_images": len(images)}
    return plot_occlusion_maps(images, torch.stack(heatmaps)), result
