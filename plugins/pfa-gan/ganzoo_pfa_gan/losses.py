"""What keeps the person and moves the age, each term 0-d. Images are [N, C, S, S] in [-1, 1]."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

WINDOW, SIGMA = 11, 1.5
AGES = 101
"""Classes of an age judge: 0 to 100 years."""


def ssim(a, b):
    """Mean structural similarity (Wang et al. 2004), Gaussian window of 11 px, data range 2.

    SSIM = (2 m_a m_b + c1)(2 s_ab + c2) / ((m_a^2 + m_b^2 + c1)(s_a^2 + s_b^2 + c2)).
    The public code of PFA-GAN has an even window, which lies half a pixel off. Computed in fp32 in
    any case: a variance is the small difference of large moments, and bf16 leaves noise of it.
    """
    a, b = a.float(), b.float()
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    with torch.autocast(a.device.type, enabled=False):
        moments = blur(torch.cat([a, b, a * a, b * b, a * b], 1))
    mean_a, mean_b, aa, bb, ab = moments.chunk(5, 1)
    var_a, var_b, cov = aa - mean_a**2, bb - mean_b**2, ab - mean_a * mean_b
    top = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()


def blur(x):
    """Average over the window, [N, C, S, S]; beyond the edge lies the mirror image."""
    x = nn.functional.pad(x, [WINDOW // 2] * 4, mode="reflect")
    kernel = window().to(x).expand(x.shape[1], 1, 1, -1)
    across = nn.functional.conv2d(x, kernel, groups=x.shape[1])
    return nn.functional.conv2d(across, kernel.mT, groups=x.shape[1])


@cache
def window():
    """Return the Gaussian's weights [WINDOW]."""
    at = torch.arange(WINDOW) - WINDOW // 2
    weights = torch.exp(-(at**2) / (2 * SIGMA**2))
    return weights / weights.sum()


def group_logits(logits, edges):
    """Return log-probabilities [N, K] of the groups, from logits [N, 101] over ages: a group's
    probability is the sum over its ages. `edges` are its inclusive upper edges."""
    ages = torch.arange(AGES, device=logits.device)
    group = torch.bucketize(ages, torch.tensor(edges, device=logits.device))
    log_p = logits.float().log_softmax(1)
    parts = [log_p.masked_fill(group != k, -torch.inf).logsumexp(1) for k in range(len(edges) + 1)]
    return torch.stack(parts, 1)


def expected_age(logits):
    """Return the mean of the distribution over ages (DEX), [N] years."""
    return logits.float().softmax(1) @ torch.arange(AGES, dtype=torch.float32).to(logits.device)
