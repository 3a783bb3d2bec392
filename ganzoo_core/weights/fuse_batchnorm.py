"""Fuse BatchNorm into the layers before it: the same function, faster inference."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

M = TypeVar("M", bound=nn.Module)
_FUSE_FUNCTIONS: dict[type, Any] = {
    nn.Conv2d: fuse_conv_bn_eval,
    nn.ConvTranspose2d: partial(fuse_conv_bn_eval, transpose=True),
    nn.Linear: fuse_linear_bn_eval,
}


def fuse_batchnorm(model: M) -> M:
    """Fuse each BatchNorm of a `Sequential` into the layer before it; freeze and return the model.

    The model changes in place, and its weights become channels last. Outputs differ by fp32
    rounding only, about 1e-6 of their size. Layers outside a `Sequential` stay as they are: only
    in a `Sequential` it is certain that no other layer reads the input of the BatchNorm.

    Raises:
        ValueError: the model is in training mode.
    """
    if model.training:
        raise ValueError("a network in training mode cannot be fused: call eval() first")
    model.requires_grad_(False)
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential):
            for (name, layer), (norm_name, norm) in pairwise(list(module.named_children())):
                fuse = _find_fuse_function(layer, norm)
                if fuse:
                    module.add_module(name, fuse(layer, norm))
                    module.add_module(norm_name, nn.Identity())
    return model.to(memory_format=torch.channels_last)


def _find_fuse_function(layer: nn.Module, norm: nn.Module) -> Any:
    """Return the function that fuses two layers, or None if they cannot be fused."""
    if not isinstance(norm, _BatchNorm) or norm.running_mean is None or layer._forward_pre_hooks:
        return None
    if isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1:
        return None
    return _FUSE_FUNCTIONS.get(type(layer))
