"""Initial weights of a network, in the order of its modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ganzoo_core.layers.conditional_batchnorm import ConditionalBatchNorm2d

_NORM_TYPES = (_NormBase, nn.GroupNorm, nn.LayerNorm, ConditionalBatchNorm2d)
LayerT = TypeVar("LayerT", bound=nn.Conv2d | nn.ConvTranspose2d | nn.Linear)


def init_normal(layer: LayerT, std: float = 0.02) -> LayerT:
    """Initialize the weights of a layer from N(0, std) and its bias by zero; return the layer."""
    nn.init.normal_(layer.weight, 0, std)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def init_dcgan(network: nn.Module, std: float = 0.02) -> None:
    """Initialize convs from N(0, std), norm scales from N(1, std), and their biases by zero.

    Paper: DCGAN (Radford, Metz and Chintala 2015, arXiv 1511.06434).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            init_normal(module, std)
        elif isinstance(module, _NORM_TYPES):
            for name, parameter in module.named_parameters(recurse=False):
                if name == "weight":
                    nn.init.normal_(parameter, 1, std)
                else:
                    nn.init.zeros_(parameter)


def init_xavier(network: nn.Module) -> None:
    """Initialize convs, linear layers and embeddings by Xavier uniform, their biases by zero.

    Paper: Glorot and Bengio 2010. Norms stay as they are, with the scales and shifts of their
    classes.
    """
    _init_weights(network, nn.init.xavier_uniform_)


def init_orthogonal(network: nn.Module) -> None:
    """Initialize convs, linear layers and embeddings orthogonally, their biases by zero.

    Paper: Saxe, McClelland and Ganguli 2014 (arXiv 1312.6120); BigGAN (arXiv 1809.11096) uses it.
    Norms stay as they are.
    """
    _init_weights(network, _init_orthogonal_matrix)


@torch.no_grad()
def _init_weights(network: nn.Module, init_matrix: Callable[[Tensor], Tensor]) -> None:
    norms = [module for module in network.modules() if isinstance(module, _NORM_TYPES)]
    norm_parameters = {id(parameter) for norm in norms for parameter in norm.parameters()}
    for parameter in network.parameters():  # those under spectral norm too
        if id(parameter) in norm_parameters:
            continue
        if parameter.dim() > 1:
            init_matrix(parameter)
        else:
            nn.init.zeros_(parameter)


def _init_orthogonal_matrix(weight: Tensor) -> Tensor:
    """Initialize a weight of any memory format: `orthogonal_` needs a contiguous one."""
    contiguous = torch.empty_like(weight, memory_format=torch.contiguous_format)
    return weight.copy_(nn.init.orthogonal_(contiguous))
