"""How alike two pictures are, pixel by pixel."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

WINDOW, SIGMA = 11, 1.5


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity [N] of images [N, C, H, W] in [-1, 1].

    Wang et al. 2004: a Gaussian window of 11 px, K1 = 0.01, K2 = 0.03, the mirror image beyond the
    edge, the mean over channels and pixels. Computed in fp32 in any case: a variance is the small
    difference of large moments, and bf16 leaves noise of it.
    """
    a, b = a.float(), b.float()
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    with torch.autocast(a.device.type, enabled=False):
        moments = blurred(torch.cat([a, b, a * a, b * b, a * b], 1))
    mean_a, mean_b, aa, bb, ab = moments.chunk(5, 1)
    var_a, var_b, cov = aa - mean_a**2, bb - mean_b**2, ab - mean_a * mean_b
    top = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean((1, 2, 3))


def blurred(x: Tensor) -> Tensor:
    """Return images [N, C, H, W] averaged over the window."""
    kernel = window().to(x).expand(x.shape[1], 1, 1, -1)
    x = functional.pad(x, [WINDOW // 2] * 4, mode="reflect")
    across = functional.conv2d(x, kernel, groups=x.shape[1])
    return functional.conv2d(across, kernel.mT, groups=x.shape[1])


@cache
def window() -> Tensor:
    """Return the Gaussian's weights [WINDOW]."""
    at = torch.arange(WINDOW) - WINDOW // 2
    weights = torch.exp(-(at**2) / (2 * SIGMA**2))
    return weights / weights.sum()
