"""Run a network on many images in batches: embeddings or ages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.data import PackedImages, to_float

_MAX_VALUES_PER_CPU_BATCH = 1 << 20
"""Values per batch on a CPU: 85 images of 64 px, whose feature maps fit a core's cache."""
DEVICE_BATCH_SIZE = 256
"""Images per batch on other devices."""


def batch_size_for(shape: Sequence[int], device: torch.device) -> int:
    """Return the batch size for images of a shape [..., C, H, W]."""
    if device.type != "cpu":
        return DEVICE_BATCH_SIZE
    return max(16, _MAX_VALUES_PER_CPU_BATCH // max(1, math.prod(shape[-3:])))


@torch.inference_mode()
def predict_in_batches(
    method: Callable[[Tensor], Tensor], images: PackedImages | Tensor, device: str = "cpu"
) -> NDArray[Any]:
    """Return the outputs of a method on all images, [N, ...], in order.

    Args:
        method: such as `embed` or `estimate_age` of an evaluator; takes [n, C, H, W] in [-1, 1].
        images: of a data set, or uint8 [N, C, H, W].
        device: where the method runs.
    """
    torch_device, out = torch.device(device), []
    batch_size = batch_size_for(images.shape, torch_device)
    for start in range(0, len(images), batch_size):
        rows = torch.arange(start, min(start + batch_size, len(images)))
        pixels = images[rows] if isinstance(images, Tensor) else images.gather(rows)
        out.append(method(to_float(pixels).to(torch_device)).float().cpu().numpy())
    return np.concatenate(out)
