"""Put an aged face back into its photograph, at the resolution of the photograph.

A model changes a small crop, 64 pixels wide for example. Only that change, the difference of two
drawings of the model, is enlarged, moved to the place of the face, and added:

    out = photograph + mask * enlarged(change)

So pores, glasses and the background keep their sharpness, and outside the mask every pixel is
unchanged. The photograph itself is never resampled. The enlarged change has the edges of the
photograph: Kopf, Cohen, Lischinski, Uyttendaele, "Joint bilateral upsampling", SIGGRAPH 2007.

A matrix [2, 3] maps points (x, y) of the photograph to points of the crop, with the center of the
first pixel at (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pad

_SOFT_EDGE = 0.5
"""The mask is 1 inside this radius, and falls to 0 at 1, the middle of the edges of the crop."""
_ROUNDNESS = 2.5
"""Exponent of the outline |x|^p + |y|^p = 1 of the mask: 2 is a circle, infinity a square."""
_MAX_ENLARGED_EDGE = 2048
"""A change is enlarged to at most this edge in pixels; beyond it, linear interpolation is used."""
_REACH = 2
"""Pixels of the change on each side from which a pixel of the enlarged one is computed."""
_SPATIAL_STD = 0.7
"""Standard deviation of their weights over the distance, in pixels of the change ..."""
_COLOR_STD = 0.2
"""... and over the difference of the colors in the photograph, of 2 from black to white."""
_MIN_COLOR_WEIGHT = 1e-4
"""Weight of pixels of another color, where no pixel is alike."""
_BAND_PIXELS = 2**21
"""Pixels of the photograph that are changed at once, which bounds the memory."""


@dataclass(frozen=True)
class Placement:
    """The place of a square crop in a photograph."""

    matrix: NDArray[np.float64]
    """[2, 3]: maps points of the photograph to points of the crop."""
    crop_size: int
    """S, edge of the crop in pixels."""
    photo_size: tuple[int, int]
    """Width and height of the photograph."""

    @classmethod
    def center_square(cls, photo_size: tuple[int, int], crop_size: int) -> Placement:
        """Return the place of the largest square in the center of a photograph."""
        edge = min(photo_size)
        scale = crop_size / edge
        corner = (np.array(photo_size) - edge) / 2
        offset = (0.5 - corner) * scale - 0.5
        return cls(np.column_stack([np.eye(2) * scale, offset]), crop_size, photo_size)

    def resized(self, photo_size: tuple[int, int]) -> Placement:
        """Return the same place in a copy of the photograph of another size."""
        factors = np.array(self.photo_size) / np.array(photo_size)
        linear = self.matrix[:, :2] * factors
        offset = self.matrix[:, :2] @ ((factors - 1) / 2) + self.matrix[:, 2]
        return Placement(np.column_stack([linear, offset]), self.crop_size, photo_size)

    def enlarged_crop(self, crop_size: int) -> Placement:
        """Return the place of the same crop, drawn with another number of pixels."""
        factor = crop_size / self.crop_size
        matrix = self.matrix * factor
        matrix[:, 2] += (factor - 1) / 2
        return Placement(matrix, crop_size, self.photo_size)

    @property
    def magnification(self) -> float:
        """Pixels of the photograph for one pixel of the crop, along one edge."""
        return float(1 / np.hypot(*self.matrix[:, 0]))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the crop in the photograph, clipped to it."""
        low, high = -0.5, self.crop_size - 0.5
        corners = np.array([(low, low), (high, low), (low, high), (high, high)])
        points = (corners - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T
        limits = np.array(self.photo_size)
        left, top = np.clip(np.ceil(points.min(0)), 0, limits).astype(int)
        right, bottom = np.clip(np.floor(points.max(0)) + 1, 0, limits).astype(int)
        return int(left), int(top), int(right), int(bottom)

    @property
    def ends_at_edge(self) -> tuple[bool, bool, bool, bool]:
        """Whether the photograph has no pixels beyond the left, top, right and bottom of the crop,
        where a soft edge would have nothing to blend with."""
        width, height = self.photo_size
        corners = np.array(
            [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)], np.float64
        )
        points = corners @ self.matrix[:, :2].T + self.matrix[:, 2]
        (left, top), (right, bottom) = points.min(0), points.max(0)
        slack = 0.5  # pixels of the crop
        end = self.crop_size - 1 + slack
        ends = (left >= -slack, top >= -slack, right <= end, bottom <= end)
        return bool(ends[0]), bool(ends[1]), bool(ends[2]), bool(ends[3])


def soft_mask(placement: Placement, edge: int) -> Tensor:
    """Return the weights of a change in its crop, [edge, edge] in [0, 1].

    They are 1 in the face and fall to 0 at the edge of the crop. On a side where the photograph
    ends they stay 1.
    """
    left, top, right, bottom = placement.ends_at_edge
    ramp = (torch.arange(edge, dtype=torch.float32) + 0.5) * (2 / edge) - 1  # -1 to 1

    def radius(ends_low: bool, ends_high: bool) -> Tensor:
        is_flat = (ramp < 0) & ends_low | (ramp > 0) & ends_high
        return ramp.abs().masked_fill(is_flat, 0) ** _ROUNDNESS

    distance = (radius(top, bottom)[:, None] + radius(left, right)) ** (1 / _ROUNDNESS)
    x = ((1 - distance) / (1 - _SOFT_EDGE)).clamp(0, 1)
    return x**3 * (x * (6 * x - 15) + 10)  # smootherstep: no visible beginning or end


def resize(change: Tensor, edge: int) -> Tensor:
    """Return changes [N, C, E, E] at another size, [N, C, edge, edge], by bicubic interpolation."""
    if edge == change.shape[-1]:
        return change
    return interpolate(change, (edge, edge), mode="bicubic", antialias=True)


def follow_edges(change: Tensor, portrait: Tensor) -> Tensor:
    """Return changes at the size of a portrait, with the edges of the portrait.

    A pixel is the weighted mean of the changes around it, with larger weights where the portrait
    has a similar color. So white hair ends at the hair, without a halo. Then the mean of each block
    is corrected to the given change.

    Args:
        change: differences of images in [-1, 1], [N, C, S, S].
        portrait: the same crop of the photograph in [-1, 1], [3, T, T].

    Returns:
        [N, C, T, T].
    """
    size, portrait_size = change.shape[-1], portrait.shape[-1]
    factor = portrait_size // size
    if factor < 2:
        return resize(change, portrait_size)
    guide = resize(portrait[None], factor * size)
    small_guide = avg_pool2d(guide, factor)
    fine = guide.reshape(1, 3, size, factor, size, factor)
    offsets = (torch.arange(factor) + 0.5) / factor - 0.5  # of fine pixels in their block

    def neighbors(x: Tensor, down: int, right: int) -> Tensor:
        moved = pad(x, (_REACH,) * 4, mode="replicate")[..., down:, right:][..., :size, :size]
        return moved[..., :, None, :, None]

    total, weights = change.new_zeros(1), torch.zeros(1)
    for down in range(2 * _REACH + 1):
        for right in range(2 * _REACH + 1):
            y, x = down - _REACH - offsets[:, None, None], right - _REACH - offsets
            difference = (fine - neighbors(small_guide, down, right)).square().sum(1, keepdim=True)
            weight = torch.exp(difference / (-2 * _COLOR_STD**2)) + _MIN_COLOR_WEIGHT
            weight = weight * torch.exp((y**2 + x**2) / (-2 * _SPATIAL_STD**2))
            total = total + weight * neighbors(change, down, right)
            weights = weights + weight
    large = (total / weights).reshape(*change.shape[:2], factor * size, factor * size)
    large = large + resize(change - avg_pool2d(large, factor), factor * size)
    return resize(large, portrait_size)


def weighted_change(change: Tensor, placement: Placement) -> Tensor:
    """Return mask * change, [N, C, E, E], with about one pixel for each pixel of the photograph.

    Args:
        change: differences of images in [-1, 1] in the crop, with any number of pixels.
        placement: of the crop.
    """
    size = placement.crop_size
    factor = max(1, min(round(placement.magnification), _MAX_ENLARGED_EDGE // size))
    return resize(change.float().cpu(), factor * size) * soft_mask(placement, factor * size)


def sample_at(weighted: Tensor, placement: Placement, box: tuple[int, int, int, int]) -> Tensor:
    """Return a weighted change at the pixels of a box of the photograph, [N, C, H, W].

    Args:
        weighted: from `weighted_change`.
        placement: of the crop.
        box: left, top, right and bottom.
    """
    left, top, right, bottom = box
    x = torch.arange(left, right, dtype=torch.float64)
    y = torch.arange(top, bottom, dtype=torch.float64)[:, None]
    matrix, size = torch.from_numpy(placement.matrix), placement.crop_size
    across, down = (row[0] * x + row[1] * y + row[2] for row in matrix)
    grid = (torch.stack([across, down], -1).float() + 0.5) * (2 / size) - 1
    grid = grid.expand(len(weighted), -1, -1, -1)
    inside = (grid.abs() <= 1).all(-1)[:, None]
    return grid_sample(weighted, grid, padding_mode="border", align_corners=False) * inside


def put_face_back(pixels: NDArray[np.uint8], change: Tensor, placement: Placement) -> None:
    """Add the change of a face to a photograph, in place.

    The memory depends on the size of the crop in the photograph only up to a limit.

    Args:
        pixels: uint8 [H, W, 3], the whole photograph.
        change: [C, E, E], the difference of two images of the crop in [-1, 1], of any size; one
            channel stands for all.
        placement: of the crop in this photograph.
    """
    weighted = weighted_change(change[None], placement)
    left, top, right, bottom = placement.box
    rows = max(1, _BAND_PIXELS // max(1, right - left))
    for low in range(top, bottom, rows):
        high = min(bottom, low + rows)
        added = sample_at(weighted, placement, (left, low, right, high))[0].permute(1, 2, 0)
        add_to_pixels(pixels[low:high, left:right], added)


def add_to_pixels(pixels: NDArray[np.uint8], added: Tensor) -> None:
    """Add differences of images in [-1, 1], [H, W, C], to uint8 pixels [H, W, 3], in place."""
    changed = torch.from_numpy(pixels.astype(np.float32)).add_(added, alpha=127.5)
    pixels[:] = changed.round_().clamp_(0, 255).byte().numpy()


def blend_changes(ages: Sequence[float], changes: Tensor, age: float) -> Tensor:
    """Return the change at an age, linear between the two nearest known ages.

    Args:
        ages: [K] increasing years.
        changes: [K, ...], the change at each of them.
        age: in years; beyond the first or last one, that change.
    """
    position = float(np.interp(age, ages, np.arange(len(ages))))
    low = min(int(position), len(ages) - 2) if len(ages) > 1 else 0
    high = min(low + 1, len(ages) - 1)
    return torch.lerp(changes[low], changes[high], position - low)
