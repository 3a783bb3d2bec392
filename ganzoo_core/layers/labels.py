"""Labels as inputs of a network.

Shapes: N batch, K classes, W channels, h x w maps.
"""

from __future__ import annotations

import torch
from torch import Tensor


def one_hot(label: Tensor, num_classes: int, like: Tensor) -> Tensor:
    """Return labels [N] as one-hot vectors [N, K] of the dtype and device of `like`.

    Unlike `torch.nn.functional.one_hot` it needs no device sync.
    """
    return (label[:, None] == torch.arange(num_classes, device=label.device)).to(like)


def label_maps(label: Tensor, num_classes: int, like: Tensor) -> Tensor:
    """Return labels [N] as one-hot maps [N, K, h, w], constant over each image.

    In channels_last like the maps that they are concatenated to: otherwise the next conv converts
    the whole tensor.

    Args:
        like: maps [N, W, h, w]: dtype, device and size of the result.
    """
    expanded = one_hot(label, num_classes, like)[:, :, None, None].expand(-1, -1, *like.shape[2:])
    return expanded.contiguous(memory_format=torch.channels_last)


def concat_label_maps(x: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Return [N, W + K, h, w]: maps [N, W, h, w] and the label maps of labels [N].

    Mirza and Osindero 2014 (arXiv 1411.1784) concatenate y to the input of D; Perarnau et al. 2016
    (arXiv 1611.06355) concatenate maps of it after the first conv.
    """
    return torch.cat([x, label_maps(label, num_classes, x)], 1)
