"""From pictures to a sheet: the strongest of each map, or the same ones covered."""

import torch

from ganzoo_core.errors import UsageError
from ganzoo_deconvnet.deconvnet import project, strongest, strongest_of
from ganzoo_deconvnet.occlusion import occlusion
from ganzoo_deconvnet.pictures import contrasted, patches, reach, sheet_of_covers, sheet_of_maps

BATCH = 128


def look(subject, layer, images, labels, *, shape, count, wanted=()):
    """Draw the nine strongest pictures of maps and their projections.

    Args:
        images: [N, C, S, S] in [-1, 1]. labels: [N], or None.
        shape: (maps, height, width) of the layer.
        count: maps shown, the most selective ones. wanted: these in place of them.

    Returns:
        the sheet, and its facts as plain JSON values.

    Raises:
        UsageError: no such map, or none is excited.
    """
    rows = torch.arange(len(images)).split(BATCH)
    part = iter(rows)  # the labels of each batch, in step with it

    def call(batch):
        return subject.call(batch, None if labels is None else labels[next(part)])

    value, picture, place, selective = strongest(
        subject.net, layer, call, (images[r] for r in rows)
    )
    if wanted and max(wanted) >= shape[0]:
        raise UsageError(f"--map {max(wanted)}: {layer} has maps 0 to {shape[0] - 1}")
    live = selective.masked_fill(value[:, 0] <= 0, float("-inf")).argsort(descending=True)
    chosen = list(wanted) or [k for k in live.tolist() if value[k, 0] > 0][:count]
    if not chosen:
        raise UsageError(f"--layer {layer}: none of these pictures excites any of its maps")
    found = []
    for k in chosen:
        seen, where = images[picture[k]], place[k]
        known = None if labels is None else labels[picture[k]]
        back = project(
            subject.net,
            layer,
            lambda x, y=known: subject.call(x, y),
            seen,
            (torch.full_like(where, k), where),
        )
        found.append((k, seen, where, back))
    radius = max(reach(back, where, shape) for _, _, where, back in found)
    sheet = sheet_of_maps(
        [
            (
                f"map {k}",
                contrasted(patches(back, where, shape, radius)),
                patches(seen, where, shape, radius),
            )
            for k, seen, where, back in found
        ]
    )
    what = f"{len(chosen)} maps of {subject.name} {layer}, of {len(images):,} pictures"
    return sheet, {
        "what": what,
        "net": subject.name,
        "layer": layer,
        "maps": chosen,
        "pictures": len(images),
        "patch": min(2 * radius, images.shape[2]),
    }


def cover(subject, layer, images, labels, *, patch):
    """Draw where the network's answer, or a layer's strongest map, falls under a grey square.

    Args:
        layer: None for the network's answer. patch: edge of the square, in pixels.

    Returns, raises: as `look`.
    """
    if patch >= images.shape[2]:
        raise UsageError(f"--occlude {patch} covers pictures of {images.shape[2]} px whole")
    heats = []
    for i, image in enumerate(images):
        label = None if labels is None else labels[i : i + 1]

        def call(x, y=label):
            return subject.call(x, None if y is None else y.expand(len(x)))

        def answer(x, own=image[None], y=label):
            return subject.score(x, own, None if y is None else y.expand(len(x)))

        score = strongest_of(subject.net, layer, call, image) if layer else answer
        heats.append(occlusion(score, image, patch, max(1, patch // 4)))
    what = f"{len(images)} pictures covered by {patch} px"
    facts = {"what": what, "net": subject.name, "layer": layer, "pictures": len(images)}
    return sheet_of_covers(images, torch.stack(heats)), facts
