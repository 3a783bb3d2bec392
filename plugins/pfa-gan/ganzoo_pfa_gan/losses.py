"""SSIM as a loss of PFA-GAN."""

from __future__ import annotations

import torch
from torch.nn import functional

_SSIM_WINDOW, _SSIM_SIGMA = 10, 1.5


def ssim_loss(a, b):
    """Return 1 - SSIM, 0-d, of images [N, C, H, W], as in the authors' code.

    Unlike torchmetrics' SSIM, which the aging benchmark computes, the Gaussian window has 10 px,
    images are padded with zeros, and the constants are those of a range of 1. It runs in fp32
    under any autocast, because a variance is a small difference of large moments, which bf16 loses.
    """
    num_channels, dtype = a.shape[1], torch.promote_types(a.dtype, torch.float32)
    a, b = a.to(dtype), b.to(dtype)
    offsets = torch.arange(_SSIM_WINDOW, dtype=dtype, device=a.device) - _SSIM_WINDOW // 2
    weights = torch.exp(-offsets.square() / (2 * _SSIM_SIGMA**2))
    weights = weights / weights.sum()
    row = weights.expand(5 * num_channels, 1, 1, -1)
    moments = functional.pad(torch.cat([a, b, a * a, b * b, a * b], 1), [_SSIM_WINDOW // 2] * 4)
    with torch.autocast(a.device.type, enabled=False):
        for kernel in (row, row.mT):
            moments = functional.conv2d(moments, kernel, groups=5 * num_channels)
    mean_a, mean_b, aa, bb, ab = moments.chunk(5, 1)
    var_a, var_b, cov = aa - mean_a**2, bb - mean_b**2, ab - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    numerator = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return 1 - (numerator / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()
