"""Initial weights of a network, in the order of its modules."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ganzoo_core.layers.conditional_batchnorm import ConditionalBatchNorm2d

_POWER_ITERATIONS = 30
"""Steps that estimate a spectral norm; the error is a few percent."""
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


def init_xavier(network: nn.Module, gain: float = 1.0) -> None:
    """Initialize convs, linear layers and embeddings by Xavier uniform, their biases by zero.

    Paper: Glorot and Bengio 2010. Norms stay as they are, with the scales and shifts of their
    classes. The spectral norms of the layers are estimated again.

    Args:
        gain: factor of the weights.
    """
    _init_weights(network, partial(nn.init.xavier_uniform_, gain=gain))


def init_orthogonal(network: nn.Module) -> None:
    """Initialize convs, linear layers and embeddings orthogonally, their biases by zero.

    Paper: Saxe, McClelland and Ganguli 2014 (arXiv 1312.6120); BigGAN (arXiv 1809.11096) uses it.
    Norms stay as they are. The spectral norms of the layers are estimated again.
    """
    _init_weights(network, _init_orthogonal_matrix)


@torch.no_grad()
def _init_weights(network: nn.Module, init_matrix: Callable[[Tensor], Tensor]) -> None:
    if any(parameter.is_meta for parameter in network.parameters()):
        return  # without values; the power iterations would take seconds
    norms = [module for module in network.modules() if isinstance(module, _NORM_TYPES)]
    norm_parameters = {id(parameter) for norm in norms for parameter in norm.parameters()}
    for parameter in network.parameters():  # those under spectral norm too
        if id(parameter) in norm_parameters:
            continue
        if parameter.dim() > 1:
            init_matrix(parameter)
        else:
            nn.init.zeros_(parameter)
    _estimate_spectral_norms(network)


def _estimate_spectral_norms(network: nn.Module) -> None:
    """Run the power iteration of each layer with spectral norm: u and v of the former weights
    underestimate the norm of the new ones."""
    for module in network.modules():
        if isinstance(module, nn.utils.parametrize.ParametrizationList):
            was_training = module.training
            module.train()
            for _ in range(_POWER_ITERATIONS):
                module()  # one iteration in training mode
            module.train(was_training)


def _init_orthogonal_matrix(weight: Tensor) -> Tensor:
    """Initialize a weight of any memory format: `orthogonal_` needs a contiguous one."""
    contiguous = torch.empty_like(weight, memory_format=torch.contiguous_format)
    return weight.copy_(nn.init.orthogonal_(contiguous))
