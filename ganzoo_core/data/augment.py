"""Augmentation on the device: batched, seeded by the contract's `Noise`, differentiable.

Every augmentation is a function of (images [N, C, H, W] in [-1, 1], noise) and returns images of
that shape and dtype. Real and fake images go through the same one with noise of their own:
``d(augment(real, t.noise))`` and ``d(augment(fake, t.noise))``.

DiffAugment: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020,
arXiv 2006.10738. For ADA see `ada.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.interfaces import Noise

Augmentation = Callable[[Tensor, Noise], Tensor]

JITTER_SHIFT = 1 / 16
"""Most that `jitter` shifts, each way, as a fraction of the edge."""
JITTER_ZOOM = 1.1
"""Most that `jitter` zooms in; it never zooms out, so little of the border is seen."""
TRANSLATION = 1 / 8
"""DiffAugment's ratio: whole pixels, up to this fraction of the edge, each way."""
CUTOUT = 1 / 2
"""DiffAugment's ratio: edge of the grey square to that of the image."""

GRAIN = 1 / 2
"""Most deviation of `grain`, where images lie in [-1, 1]."""
FINE_GRAIN = 0.15
"""Most of `fine-grain`, which leaves fine lines to be seen."""


class Augment:
    """Augmentations by name, in the order given: ``Augment("flip,colour,translation,cutout")``.

    Raises:
        UsageError: a name is unknown; says which one was meant.
    """

    def __init__(self, names: str = "") -> None:
        self.names = tuple(name.strip() for name in names.split(",") if name.strip())
        for name in self.names:
            if name not in AUGMENTATIONS:
                raise UsageError(f"no augmentation {name!r}.{suggest(name, AUGMENTATIONS)}")

    def __call__(self, images: Tensor, noise: Noise) -> Tensor:
        """Return images [N, C, H, W] augmented."""
        for name in self.names:
            images = AUGMENTATIONS[name](images, noise)
        return images

    def __repr__(self) -> str:
        return f'Augment("{",".join(self.names)}")'


def each(noise: Noise, images: Tensor) -> Tensor:
    """Return U[0, 1) for each image, [N, 1, 1, 1], in fp32."""
    return noise(images.shape[0], 1, 1, 1, kind="unit")


def flip(images: Tensor, noise: Noise) -> Tensor:
    """Mirror left and right, each image with probability 1/2."""
    return torch.where(each(noise, images) < 0.5, images.flip(3), images)


def jitter(images: Tensor, noise: Noise) -> Tensor:
    """Crop a little elsewhere: zoom U[1, 1.1], then shift by U[-1/16, 1/16] of the edge.

    Bilinear between pixels; beyond the border lies the mirror image.
    """
    unit = noise(images.shape[0], 3, kind="unit")
    zoom = 1 / (1 + (JITTER_ZOOM - 1) * unit[:, 0])
    height, width = images.shape[2:]
    reach = JITTER_SHIFT * (2 * unit[:, 1:] - 1)
    shift = torch.stack([reach[:, 0] * width, reach[:, 1] * height], 1)
    scale = torch.diag_embed(zoom[:, None].expand(-1, 2))
    return resample(images, torch.cat([scale, shift[..., None]], 2))


def resample(images: Tensor, theta: Tensor) -> Tensor:
    """Return images sampled bilinearly, with the mirror image beyond the border.

    Four gathers and no `grid_sample`, which has no second derivative (R1 on augmented images needs
    one) and no deterministic backward on CUDA. The identity is exact.

    Args:
        theta: [N, 2, 3], fp32, from (x, y, 1) of the output to (x, y) of the input, in pixels from
            the centre of the image.
    """
    height, width = images.shape[2:]
    middles = (width - 1) / 2, (height - 1) / 2
    across = torch.arange(width, device=images.device) - middles[0]
    along = torch.arange(height, device=images.device) - middles[1]
    y, x = torch.meshgrid(along, across, indexing="ij")
    with torch.autocast(images.device.type, enabled=False):
        out = torch.zeros_like(images, dtype=torch.float32)
        fx, fy = (
            row[:, 0, None, None] * x + row[:, 1, None, None] * y + row[:, 2, None, None] + middle
            for row, middle in zip(theta.unbind(1), middles, strict=True)
        )
        left, top = fx.floor(), fy.floor()
        for dy, high in ((0, 1 - (fy - top)), (1, fy - top)):
            for dx, wide in ((0, 1 - (fx - left)), (1, fx - left)):
                taken = take(images, mirrored(top + dy, height), mirrored(left + dx, width))
                out = out + (high * wide)[:, None] * taken
    return out.to(images.dtype)


def mirrored(place: Tensor, edge: int) -> Tensor:
    """Return whole places folded into [0, edge): the border pixel stands twice, then backwards."""
    folded = place.long().remainder(2 * edge)
    return torch.minimum(folded, 2 * edge - 1 - folded)


def take(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return pixels [N, C, H, W] from rows and columns [N, H, W] of the same images."""
    index = (row * images.shape[3] + column).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).view(images.shape)


def brightness(images: Tensor, noise: Noise) -> Tensor:
    """DiffAugment: x + U[-1/2, 1/2)."""
    return images + (each(noise, images) - 0.5).to(images.dtype)


def saturation(images: Tensor, noise: Noise) -> Tensor:
    """DiffAugment: distance from the mean over the channels times U[0, 2)."""
    return around(images, images.mean(1, keepdim=True), 2 * each(noise, images))


def contrast(images: Tensor, noise: Noise) -> Tensor:
    """DiffAugment: distance from the mean of the image times U[1/2, 3/2)."""
    return around(images, images.mean((1, 2, 3), keepdim=True), each(noise, images) + 0.5)


def around(images: Tensor, middle: Tensor, factor: Tensor) -> Tensor:
    """Return middle + factor (images - middle) in the images' dtype."""
    return (images - middle) * factor.to(images.dtype) + middle


def colour(images: Tensor, noise: Noise) -> Tensor:
    """DiffAugment's colour: brightness, saturation, contrast, in that order; not clamped."""
    return contrast(saturation(brightness(images, noise), noise), noise)


def whole(noise: Noise, images: Tensor, low: int, high: int) -> Tensor:
    """Return a whole number in [low, high] for each image, [N], int64, all equally likely."""
    unit = noise(images.shape[0], kind="unit")
    return (low + (unit * (high - low + 1)).floor().long()).clamp(max=high)


def translation(images: Tensor, noise: Noise) -> Tensor:
    """DiffAugment: shift by whole pixels in [-S/8, S/8] along each axis; 0 (grey) comes in."""
    return shifted(images, *(spread(noise, images, axis) for axis in (2, 3)))


def spread(noise: Noise, images: Tensor, axis: int) -> Tensor:
    """Return translation's shift along an axis [N]; the reach is rounded half up, as published."""
    reach = int(images.shape[axis] * TRANSLATION + 0.5)
    return whole(noise, images, -reach, reach)


def shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Return images with content moved by whole pixels [N]; what comes in is 0."""
    height, width = images.shape[2:]
    row = (torch.arange(height, device=images.device) - down[:, None])[:, :, None]
    column = (torch.arange(width, device=images.device) - right[:, None])[:, None, :]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    moved = take(images, row.clamp(0, height - 1), column.clamp(0, width - 1))
    return moved * inside[:, None].to(images.dtype)


def cutout(images: Tensor, noise: Noise) -> Tensor:
    """DiffAugment: a square of half the edge becomes 0 (grey); its centre lies anywhere, so part
    of it may lie outside."""
    keep = [covered(noise, images, axis) for axis in (2, 3)]
    square = keep[0][:, None, :, None] & keep[1][:, None, None, :]
    return images * (~square).to(images.dtype)


def covered(noise: Noise, images: Tensor, axis: int) -> Tensor:
    """Return which rows (columns) cutout covers, [N, S] bool.

    As published: c of them from o - c // 2 on, o a whole number in [0, S + 1 - c % 2).
    """
    edge = images.shape[axis]
    cut = int(edge * CUTOUT + 0.5)
    start = whole(noise, images, 0, edge - cut % 2) - cut // 2
    place = torch.arange(edge, device=images.device) - start[:, None]
    return (place >= 0) & (place < cut)


def grey(images: Tensor, noise: Noise) -> Tensor:
    """Give every channel the mean of all: what comes after sees no colour.

    All weigh the same, unlike in luminance, so that what a judge behind it asks of a picture has no
    colour either.
    """
    return images.mean(1, keepdim=True).expand_as(images)


def grain(images: Tensor, noise: Noise, most: float = GRAIN) -> Tensor:
    """Add Gaussian noise to every pixel, its deviation U[0, most) for each image; not clamped.

    A judge that learned behind it must look for more than a pattern of pixels, and what it asks of
    a picture shows in the picture: Kaur et al. 2019, "Are Perceptually-Aligned Gradients a General
    Property of Robust Classifiers?", arXiv 1910.08640.
    """
    deviation = most * each(noise, images)
    return images + (deviation * noise(*images.shape)).to(images.dtype)


AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": flip,
    "jitter": jitter,
    "brightness": brightness,
    "saturation": saturation,
    "contrast": contrast,
    "colour": colour,
    "color": colour,
    "translation": translation,
    "cutout": cutout,
    "grey": grey,
    "gray": grey,
    "grain": grain,
    "fine-grain": partial(grain, most=FINE_GRAIN),
}
"""By the names that `Augment` knows."""
