"""Pixels as integers: the levels that models with a likelihood predict.

The likelihood of quantized pixels is a probability, at most 1. It is comparable between models
that use the same number of levels.
"""

from __future__ import annotations

from torch import Tensor


def quantize(image: Tensor, num_levels: int) -> Tensor:
    """Return the nearest level of each value, int64 in [0, num_levels), for images in [-1, 1].

    256 levels are the bytes. With 2 levels, bytes below 128 are black and the others white.
    """
    return ((image.float() + 1) * ((num_levels - 1) / 2)).round().long()


def dequantize(code: Tensor, num_levels: int) -> Tensor:
    """Return the values of levels, evenly spaced in [-1, 1]."""
    return code * (2 / (num_levels - 1)) - 1
