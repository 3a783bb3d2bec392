"""The pictures: projections beside the patches they come from, and what a square hides."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ganzoo_core.report import to_uint8

GAP, TITLE, GREY = 6, 18, 0.0
INK, PAPER = (40, 40, 46), (255, 255, 255)
LEAST = 36
"""Smaller patches are enlarged to about this edge, in pixels."""


def reach(back, place, shape):
    """Return how far from its activation a projection has pixels that are not zero, in pixels.

    Args:
        back: projections [N, C, S, S]. place: [N], row-major in the h x w of `shape` (M, h, w).
    """
    size = back.shape[2]
    y, x = centres(place, shape, size)
    lit = back.abs().amax(1) > 0  # [N, S, S]
    at = torch.arange(size) + 0.5
    down = (at - y[:, None]).abs()[:, :, None].expand_as(lit)
    across = (at - x[:, None]).abs()[:, None, :].expand_as(lit)
    far = torch.where(lit, torch.maximum(down, across), 0.0).amax()
    return min(max(int(far.ceil()), 2), size)


def centres(place, shape, size):
    """Return the pixel coordinates (y, x), each [N], of places in maps of h x w."""
    _, height, width = shape
    y = (torch.div(place, width, rounding_mode="floor") + 0.5) * size / height
    return y, (place % width + 0.5) * size / width


def patches(image, place, shape, radius):
    """Return squares [N, C, 2R, 2R] around the places; grey beyond the picture's edge.

    One that would be larger than the picture is the whole picture.
    """
    size = image.shape[2]
    if 2 * radius >= size:
        return image
    padded = torch.nn.functional.pad(image, (radius,) * 4, value=GREY)
    y, x = (c.floor().long() for c in centres(place, shape, size))
    return torch.stack(
        [
            one[:, top : top + 2 * radius, left : left + 2 * radius]
            for one, top, left in zip(padded, y.tolist(), x.tolist(), strict=True)
        ]
    )


def contrasted(back):
    """Return projections [N, C, H, W] scaled to [-1, 1], each by its largest value; 0 is grey."""
    return back / back.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)


def nine(images):
    """Lay up to nine images [N, C, H, W] out as a square of three rows."""
    pixels = to_uint8(images)
    edge = pixels.shape[1] * max(1, round(LEAST / pixels.shape[1]))
    sheet = Image.new("RGB", (3 * edge + 4, 3 * edge + 4), PAPER)
    for i, array in enumerate(pixels):
        tile = Image.fromarray(array).resize((edge, edge), Image.Resampling.BICUBIC)
        sheet.paste(tile, (i % 3 * (edge + 2), i // 3 * (edge + 2)))
    return sheet


def sheet_of_maps(pairs, columns=3):
    """Return one picture of all maps: name, projections, patches.

    Args:
        pairs: (name, projections, patches) of each map; both [n, C, H, W] in [-1, 1].
    """
    blocks = []
    for name, back, patch in pairs:
        left, right = nine(back), nine(patch)
        block = Image.new("RGB", (2 * left.width + GAP, left.height + TITLE), PAPER)
        ImageDraw.Draw(block).text((0, 0), name, INK, ImageFont.load_default(size=13))
        block.paste(left, (0, TITLE))
        block.paste(right, (left.width + GAP, TITLE))
        blocks.append(block)
    columns = min(columns, len(blocks))
    wide, high = blocks[0].width + 3 * GAP, blocks[0].height + 2 * GAP
    whole = Image.new("RGB", (columns * wide, -(-len(blocks) // columns) * high), PAPER)
    for i, block in enumerate(blocks):
        whole.paste(block, (GAP + i % columns * wide, GAP + i // columns * high))
    return whole


def sheet_of_covers(images, heats, cell=128):
    """Return the pictures in a row, and below each how the answer falls where it is covered.

    Args:
        images: [N, C, S, S] in [-1, 1]. heats: [N, h, w], the scores under the square.
    """
    from matplotlib import colormaps

    whole = Image.new("RGB", (len(images) * (cell + GAP) + GAP, 2 * (cell + GAP) + GAP), PAPER)
    for i, (array, heat) in enumerate(zip(to_uint8(images), heats, strict=True)):
        tile = Image.fromarray(array).resize((cell, cell), Image.Resampling.BICUBIC)
        drop = np.asarray((heat.max() - heat) / (heat.max() - heat.min()).clamp(min=1e-12))
        colours = (colormaps["magma"](drop)[..., :3] * 255).astype(np.uint8)
        over = Image.fromarray(colours).resize((cell, cell), Image.Resampling.BICUBIC)
        whole.paste(tile, (GAP + i * (cell + GAP), GAP))
        whole.paste(Image.blend(tile, over, 0.7), (GAP + i * (cell + GAP), cell + 2 * GAP))
    return whole
