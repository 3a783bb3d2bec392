"""Let a judge read many images: embeddings or ages, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.data import Images, to_float

CHUNK = 256


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
    for start in range(0, len(images), CHUNK):
        rows = torch.arange(start, min(start + CHUNK, len(images)))
        pixels = images[rows] if isinstance(images, Tensor) else images.gather(rows)
        out.append(method(to_float(pixels).to(place)).float().cpu().numpy())
    return np.concatenate(out)
