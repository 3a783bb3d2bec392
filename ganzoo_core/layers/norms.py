"""Normalization layers by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": lambda num_channels: nn.InstanceNorm2d(num_channels, affine=True),
    "layer": lambda num_channels: nn.GroupNorm(1, num_channels),
    "none": lambda num_channels: nn.Identity(),
}
"""Normalization layers by name, from the number of channels; all but `batch` are per image."""
