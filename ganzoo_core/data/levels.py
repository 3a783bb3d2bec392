"""Pixels as whole numbers below a number of levels: what models that give likelihoods count in.

A likelihood of quantised pixels is a probability, at most 1, so that all models of one number of
levels compare; those of another number do not.
"""

from __future__ import annotations

from torch import Tensor


def to_codes(image: Tensor, levels: int) -> Tensor:
    """Return the nearest level of each value, int64 in [0, levels), of images in [-1, 1].

    256 levels are the bytes themselves, and 2 are black below the byte 128 and white from there.
    """
    return ((image.float() + 1) * ((levels - 1) / 2)).round().long()


def from_codes(code: Tensor, levels: int) -> Tensor:
    """Return the values of levels, evenly spaced: the first is -1 and the last 1."""
    return code * (2 / (levels - 1)) - 1
