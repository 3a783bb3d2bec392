"""Contact sheets of projections beside their image patches, and of occlusion maps."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ganzoo_core.report import to_uint8

_GAP, _TITLE_HEIGHT, _GRAY = 6, 18, 0.0
_TEXT_COLOR, _BACKGROUND = (40, 40, 46), (255, 255, 255)
_MIN_PATCH_SIZE = 36
"""Smaller patches are enlarged to about this size, in pixels."""


def projection_radius(projections, positions, layer_shape):
    """Return the largest distance of a nonzero pixel from the activation, in pixels.

    Args:
        projections: [N, C, S, S].
        positions: [N], row-major in h x w.
        layer_shape: (M, h, w).
    """
    size = projections.shape[2]
    y, x = _pixel_coordinates(positions, layer_shape, size)
    is_nonzero = projections.abs().amax(1) > 0  # [N, S, S]
    pixel_centers = torch.arange(size) + 0.5
    dy = (pixel_centers - y[:, None]).abs()[:, :, None].expand_as(is_nonzero)
    dx = (pixel_centers - x[:, None]).abs()[:, None, :].expand_as(is_nonzero)
    max_distance = torch.where(is_nonzero, torch.maximum(dy, dx), 0.0).amax()
    return min(max(int(max_distance.ceil()), 2), size)


def _pixel_coordinates(positions, layer_shape, size):
    """Return the pixel coordinates (y, x), each [N], of positions in maps of h x w."""
    _, height, width = layer_shape
    y = (torch.div(positions, width, rounding_mode="floor") + 0.5) * size / height
    return y, (positions % width + 0.5) * size / width


def crop_patches(image, positions, layer_shape, radius):
    """Return patches [N, C, 2R, 2R] around positions, gray outside the image.

    If a patch is larger than the image, returns the images.
    """
    size = image.shape[2]
    if 2 * radius >= size:
        return image
    padded = torch.nn.functional.pad(image, (radius,) * 4, value=_GRAY)
    y, x = (c.floor().long() for c in _pixel_coordinates(positions, layer_shape, size))
    return torch.stack(
        [
            padded_image[:, top : top + 2 * radius, left : left + 2 * radius]
            for padded_image, top, left in zip(padded, y.tolist(), x.tolist(), strict=True)
        ]
    )


def _make_3x3_grid(images):
    pixels = to_uint8(images)
    tile_size = pixels.shape[1] * max(1, round(_MIN_PATCH_SIZE / pixels.shape[1]))
    sheet = Image.new("RGB", (3 * tile_size + 4, 3 * tile_size + 4), _BACKGROUND)
    for i, array in enumerate(pixels):
        tile = Image.fromarray(array).resize((tile_size, tile_size), Image.Resampling.BICUBIC)
        sheet.paste(tile, (i % 3 * (tile_size + 2), i // 3 * (tile_size + 2)))
    return sheet


def plot_maps(maps, columns=3):
    """Return a contact sheet: for each map its name, projections and patches.

    Args:
        maps: (name, projections, patches) of each map; both [n, C, H, W] in [-1, 1].
        columns: maps per row.
    """
    blocks = []
    for name, projections, patches in maps:
        left, right = _make_3x3_grid(projections), _make_3x3_grid(patches)
        block = Image.new("RGB", (2 * left.width + _GAP, left.height + _TITLE_HEIGHT), _BACKGROUND)
        ImageDraw.Draw(block).text((0, 0), name, _TEXT_COLOR, ImageFont.load_default(size=13))
        block.paste(left, (0, _TITLE_HEIGHT))
        block.paste(right, (left.width + _GAP, _TITLE_HEIGHT))
        blocks.append(block)
    columns = min(columns, len(blocks))
    block_width, block_height = blocks[0].width + 3 * _GAP, blocks[0].height + 2 * _GAP
    sheet = Image.new(
        "RGB", (columns * block_width, -(-len(blocks) // columns) * block_height), _BACKGROUND
    )
    for i, block in enumerate(blocks):
        sheet.paste(block, (_GAP + i % columns * block_width, _GAP + i // columns * block_height))
    return sheet


def plot_occlusion_maps(images, heatmaps, cell_size=128):
    """Return a row of images, and below each its occlusion map: bright where the score drops most.

    Args:
        images: [N, C, S, S] in [-1, 1].
        heatmaps: [N, h, w], the scores of the occluded images.
        cell_size: in pixels.
    """
    from matplotlib import colormaps

    sheet = Image.new(
        "RGB", (len(images) * (cell_size + _GAP) + _GAP, 2 * (cell_size + _GAP) + _GAP), _BACKGROUND
    )
    for i, (array, heat) in enumerate(zip(to_uint8(images), heatmaps, strict=True)):
        tile = Image.fromarray(array).resize((cell_size, cell_size), Image.Resampling.BICUBIC)
        drop = np.asarray((heat.max() - heat) / (heat.max() - heat.min()).clamp(min=1e-12))
        colors = (colormaps["magma"](drop)[..., :3] * 255).astype(np.uint8)
        overlay = Image.fromarray(colors).resize((cell_size, cell_size), Image.Resampling.BICUBIC)
        sheet.paste(tile, (_GAP + i * (cell_size + _GAP), _GAP))
        sheet.paste(
            Image.blend(tile, overlay, 0.7), (_GAP + i * (cell_size + _GAP), cell_size + 2 * _GAP)
        )
    return sheet
