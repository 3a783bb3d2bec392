"""Augmentation on the device: batched, seeded by `Rng`, differentiable.

An augmentation is a function of (images [N, C, H, W] in [-1, 1], rng) and returns images of the
same shape and dtype. Real and fake images go through the same augmentation with their own random
numbers: ``d(augment(real_images, ctx))`` and ``d(augment(fake_images, ctx))``.

DiffAugment: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020,
arXiv 2006.10738. For ADA see `ada.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.interfaces import Rng

_Augmentation = Callable[[Tensor, Rng], Tensor]

_CROP_MAX_SHIFT = 1 / 16
"""Maximum shift of `crop` in each direction, as a fraction of the edge."""
_CROP_MAX_ZOOM = 1.1
"""Maximum zoom of `crop`. It never zooms out, so that little of the border enters the image."""
_TRANSLATION_RATIO = 1 / 8
"""DiffAugment: maximum shift in each direction, as a fraction of the edge."""
_CUTOUT_RATIO = 1 / 2
"""DiffAugment: edge of the cut-out square, as a fraction of the image's edge."""
_NOISE_MAX_STD = 1 / 2
"""Standard deviation of `noise` without a number, for images in [-1, 1]."""


class Augment:
    """Augmentations by name, in the order given: ``Augment("flip,color,translation,cutout")``.

    ``noise(0.15)`` sets the maximum standard deviation of the noise; no other one takes a number.

    Raises:
        UsageError: a name is unknown, or a name that takes no number has one.
    """

    def __init__(self, names: str = "") -> None:
        self.names = tuple(name.strip() for name in names.split(",") if name.strip())
        self._augmentations = [_parse_augmentation(name) for name in self.names]

    def __call__(self, images: Tensor, rng: Rng) -> Tensor:
        """Return images [N, C, H, W] augmented."""
        for augmentation in self._augmentations:
            images = augmentation(images, rng)
        return images

    def __repr__(self) -> str:
        return f'Augment("{",".join(self.names)}")'


def _parse_augmentation(text: str) -> _Augmentation:
    match = re.fullmatch(r"(\w+)\(([0-9]*\.?[0-9]+)\)", text)
    name = match[1] if match else text
    if name not in AUGMENTATIONS:
        raise UsageError(f"no augmentation {name!r}.{suggest(name, AUGMENTATIONS)}")
    if match and name != "noise":
        raise UsageError(f"augmentation {text!r}: only noise takes a number, such as noise(0.5)")
    return partial(_gaussian_noise, max_std=float(match[2])) if match else AUGMENTATIONS[name]


def _per_image_uniform(rng: Rng, images: Tensor) -> Tensor:
    """Return U[0, 1) for each image, [N, 1, 1, 1], in fp32."""
    return rng.rand(images.shape[0], 1, 1, 1)


def random_flip(images: Tensor, rng: Rng) -> Tensor:
    """Flip each image horizontally with probability 1/2."""
    return torch.where(_per_image_uniform(rng, images) < 0.5, images.flip(3), images)


def random_crop(images: Tensor, rng: Rng) -> Tensor:
    """Zoom by U[1, 1.1], then shift by U[-1/16, 1/16] of the edge.

    Interpolation is bilinear, padding is reflection.
    """
    unit = rng.rand(images.shape[0], 3)
    zoom = 1 / (1 + (_CROP_MAX_ZOOM - 1) * unit[:, 0])
    height, width = images.shape[2:]
    offset = _CROP_MAX_SHIFT * (2 * unit[:, 1:] - 1)
    shift = torch.stack([offset[:, 0] * width, offset[:, 1] * height], 1)
    scale = torch.diag_embed(zoom[:, None].expand(-1, 2))
    return affine_resample(images, torch.cat([scale, shift[..., None]], 2))


def affine_resample(images: Tensor, matrix: Tensor) -> Tensor:
    """Return images resampled bilinearly, with reflection padding.

    It uses four gathers instead of `grid_sample`, which has no deterministic backward on CUDA. The
    second derivative, which R1 on augmented images needs, exists; the identity is exact.

    Args:
        images: [N, C, H, W].
        matrix: [N, 2, 3], fp32, from (x, y, 1) of the output to (x, y) of the input, in pixels
            from the center of the image.
    """
    height, width = images.shape[2:]
    center = (width - 1) / 2, (height - 1) / 2
    xs = torch.arange(width, device=images.device) - center[0]
    ys = torch.arange(height, device=images.device) - center[1]
    y, x = torch.meshgrid(ys, xs, indexing="ij")
    with torch.autocast(images.device.type, enabled=False):
        out = torch.zeros_like(images, dtype=torch.float32)
        fx, fy = (
            row[:, 0, None, None] * x + row[:, 1, None, None] * y + row[:, 2, None, None] + middle
            for row, middle in zip(matrix.unbind(1), center, strict=True)
        )
        left, top = fx.floor(), fy.floor()
        for dy, weight_y in ((0, 1 - (fy - top)), (1, fy - top)):
            for dx, weight_x in ((0, 1 - (fx - left)), (1, fx - left)):
                corner = _gather_pixels(
                    images, _reflect_index(top + dy, height), _reflect_index(left + dx, width)
                )
                out = out + (weight_y * weight_x)[:, None] * corner
    return out.to(images.dtype)


def _reflect_index(index: Tensor, size: int) -> Tensor:
    """Return integer positions reflected into [0, size); the border pixel is repeated."""
    wrapped = index.long().remainder(2 * size)
    return torch.minimum(wrapped, 2 * size - 1 - wrapped)


def _gather_pixels(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return pixels [N, C, H, W] at rows and columns [N, H, W] of the same images."""
    index = (row * images.shape[3] + column).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).view(images.shape)


def _brightness(images: Tensor, rng: Rng) -> Tensor:
    """DiffAugment: x + U[-1/2, 1/2)."""
    return images + (_per_image_uniform(rng, images) - 0.5).to(images.dtype)


def _saturation(images: Tensor, rng: Rng) -> Tensor:
    """DiffAugment: multiply the difference from the channel mean by U[0, 2)."""
    return _scale_around(images, images.mean(1, keepdim=True), 2 * _per_image_uniform(rng, images))


def _contrast(images: Tensor, rng: Rng) -> Tensor:
    """DiffAugment: multiply the difference from the image mean by U[1/2, 3/2)."""
    return _scale_around(
        images, images.mean((1, 2, 3), keepdim=True), _per_image_uniform(rng, images) + 0.5
    )


def _scale_around(images: Tensor, center: Tensor, factor: Tensor) -> Tensor:
    """Return center + factor (images - center) in the dtype of the images."""
    return (images - center) * factor.to(images.dtype) + center


def color(images: Tensor, rng: Rng) -> Tensor:
    """DiffAugment: brightness, saturation, contrast, in that order; not clamped."""
    return _contrast(_saturation(_brightness(images, rng), rng), rng)


def _random_integers(rng: Rng, images: Tensor, low: int, high: int) -> Tensor:
    """Return uniform integers in [low, high], one for each image, [N] int64."""
    unit = rng.rand(images.shape[0])
    return (low + (unit * (high - low + 1)).floor().long()).clamp(max=high)


def _translation(images: Tensor, rng: Rng) -> Tensor:
    """DiffAugment: shift by whole pixels in [-S/8, S/8] along each axis, padded with 0 (gray)."""
    # the maximum is rounded half up, as published
    max_down, max_right = (int(size * _TRANSLATION_RATIO + 0.5) for size in images.shape[2:])
    down = _random_integers(rng, images, -max_down, max_down)
    right = _random_integers(rng, images, -max_right, max_right)
    height, width = images.shape[2:]
    row = (torch.arange(height, device=images.device) - down[:, None])[:, :, None]
    column = (torch.arange(width, device=images.device) - right[:, None])[:, None, :]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    moved = _gather_pixels(images, row.clamp(0, height - 1), column.clamp(0, width - 1))
    return moved * inside[:, None].to(images.dtype)


def _cutout(images: Tensor, rng: Rng) -> Tensor:
    """DiffAugment: set a square of half the edge to 0 (gray).

    Its center is anywhere in the image, so a part of the square may be outside.
    """
    covered = [_cutout_interval(rng, images, axis) for axis in (2, 3)]
    square = covered[0][:, None, :, None] & covered[1][:, None, None, :]
    return images * (~square).to(images.dtype)


def _cutout_interval(rng: Rng, images: Tensor, axis: int) -> Tensor:
    """Return which rows (columns) cutout covers, [N, S] bool.

    As published: c of them from o - c // 2 on, o an integer in [0, S + 1 - c % 2).
    """
    size = images.shape[axis]
    length = int(size * _CUTOUT_RATIO + 0.5)
    start = _random_integers(rng, images, 0, size - length % 2) - length // 2
    offset = torch.arange(size, device=images.device) - start[:, None]
    return (offset >= 0) & (offset < length)


def _grayscale(images: Tensor, rng: Rng) -> Tensor:
    """Replace every channel by the mean of all channels.

    The channels have equal weights, unlike in luminance, so that the gradient of the auxiliary
    network behind it is gray too.
    """
    return images.mean(1, keepdim=True).expand_as(images)


def _gaussian_noise(images: Tensor, rng: Rng, max_std: float = _NOISE_MAX_STD) -> Tensor:
    """Add Gaussian noise with a standard deviation U[0, max_std) for each image; not clamped.

    The input gradients of a network that is trained behind it are perceptually aligned: Kaur et al.
    2019, "Are Perceptually-Aligned Gradients a General Property of Robust Classifiers?",
    arXiv 1910.08640.
    """
    std = max_std * _per_image_uniform(rng, images)
    return images + (std * rng.randn(*images.shape)).to(images.dtype)


AUGMENTATIONS: dict[str, _Augmentation] = {
    "flip": random_flip,
    "crop": random_crop,
    "brightness": _brightness,
    "saturation": _saturation,
    "contrast": _contrast,
    "color": color,
    "translation": _translation,
    "cutout": _cutout,
    "grayscale": _grayscale,
    "noise": _gaussian_noise,
}
"""Augmentations by the name that `Augment` accepts."""
