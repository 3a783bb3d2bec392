"""Let a judge read many images: embeddings or ages, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.data import Images, to_float

TOGETHER = 1 << 20
"""Numbers read at once on a CPU: 85 images of 64 px, whose maps stay in a core's cache."""
ON_DEVICE = 256
"""Images read at once elsewhere."""


def chunk(shape: Sequence[int], device: torch.device) -> int:
    """Return how many images of a shape [..., C, H, W] to read at once."""
    if device.type != "cpu":
        return ON_DEVICE
    return max(16, TOGETHER // max(1, math.prod(shape[-3:])))


@torch.inference_mode()
def read_images(
    method: Callable[[Tensor], Tensor], images: Images | Tensor, device: str = "cpu"
) -> NDArray[Any]:
    """Return what a judge's method says of every image, in order.

    Args:
        method: such as `judge.embed` or `judge.estimate_age`; takes [n, C, H, W] in [-1, 1].
        images: of a data set, or uint8 [N, C, H, W].
    """
    place, out = torch.device(device), []
    shape = images.shape if isinstance(images, Tensor) else images.pixels.shape
    step = chunk(shape, place)
    for start in range(0, len(images), step):
        rows = torch.arange(start, min(start + step, len(images)))
        pixels = images[rows] if isinstance(images, Tensor) else images.gather(rows)
        out.append(method(to_float(pixels).to(place)).float().cpu().numpy())
    return np.concatenate(out)
