"""Structural similarity (SSIM) as a loss.

Own code: torchmetrics returns the same values, but takes four times as long, and its import takes
seconds; its sums in another order would also change the weights of a training in the last bits.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

WINDOW_SIZE, SIGMA = 11, 1.5


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity [N] of images [N, C, H, W] in [-1, 1].

    Wang et al. 2004: a Gaussian window of 11 px, K1 = 0.01, K2 = 0.03, reflection padding, the
    mean over channels and pixels. It runs in fp32 under any autocast, because a variance is a
    small difference of large moments, which bf16 loses.
    """
    a, b = a.float(), b.float()
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    with torch.autocast(a.device.type, enabled=False):
        moments = _gaussian_blur(torch.cat([a, b, a * a, b * b, a * b], 1))
    mean_a, mean_b, aa, bb, ab = moments.chunk(5, 1)
    var_a, var_b, cov = aa - mean_a**2, bb - mean_b**2, ab - mean_a * mean_b
    numerator = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return (numerator / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean((1, 2, 3))


def _gaussian_blur(x: Tensor) -> Tensor:
    kernel = _gaussian_weights().to(x).expand(x.shape[1], 1, 1, -1)
    x = functional.pad(x, [WINDOW_SIZE // 2] * 4, mode="reflect")
    across = functional.conv2d(x, kernel, groups=x.shape[1])
    return functional.conv2d(across, kernel.mT, groups=x.shape[1])


@cache
def _gaussian_weights() -> Tensor:
    offsets = torch.arange(WINDOW_SIZE) - WINDOW_SIZE // 2
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    return weights / weights.sum()
