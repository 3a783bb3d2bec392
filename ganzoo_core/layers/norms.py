"""Normalization layers by name, and spectral norm for a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import is_parametrized

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": lambda num_channels: nn.InstanceNorm2d(num_channels, affine=True),
    "layer": lambda num_channels: nn.GroupNorm(1, num_channels),
    "none": lambda num_channels: nn.Identity(),
}
"""Normalization layers by name, from the number of channels; all but `batch` are per image."""

_ModuleT = TypeVar("_ModuleT", bound=nn.Module)


def spectral_norm(layer: _ModuleT) -> _ModuleT:
    """Add torch's spectral norm to a layer; return it.

    On the meta device it leaves out the power iteration, which has no result there and takes
    seconds for a network of many layers.
    """
    if not layer.weight.is_meta:
        return parametrizations.spectral_norm(layer)  # type: ignore[return-value]
    norm: Any = parametrizations._SpectralNorm
    power_method, norm._power_method = norm._power_method, lambda *args: None
    try:
        return parametrizations.spectral_norm(layer)  # type: ignore[return-value]
    finally:
        norm._power_method = power_method


def add_spectral_norm(network: _ModuleT) -> _ModuleT:
    """Add spectral norm to each conv and each linear layer of a network that has none; return it.

    Paper: Spectral Normalization for Generative Adversarial Networks (Miyato et al. 2018, arXiv
    1802.05957).
    """
    for module in list(network.modules()):
        is_layer = isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
        if is_layer and not is_parametrized(module, "weight"):
            spectral_norm(module)
    return network
