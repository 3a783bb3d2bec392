"""Tests over seeds: Welch's t test between two configurations, and Holm's correction over a table.

The unit is the seed: a value of one run says nothing about the spread of the next run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@cache
def _quadrature() -> tuple[NDArray[Any], NDArray[Any]]:
    return np.polynomial.legendre.leggauss(200)


def welch_p_value(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Return the two-sided p value that two configurations have equal means over seeds.

    Welch's t test: the variances may differ (Welch 1947, doi 10.1093/biomet/34.1-2.28).

    Args:
        a: one value for each seed.
        b: the same of the other configuration; the numbers of seeds may differ.

    Returns:
        The p value in [0, 1]; None with fewer than two seeds on a side, without any spread, or for
        values that are not finite.
    """
    if min(len(a), len(b)) < 2 or not np.isfinite([*a, *b]).all():
        return None
    # Squared standard errors of the two means.
    error_a, error_b = (float(np.var(x, ddof=1)) / len(x) for x in (a, b))
    if error_a + error_b == 0.0:
        return None
    t = (float(np.mean(a)) - float(np.mean(b))) / math.sqrt(error_a + error_b)
    # Welch-Satterthwaite degrees of freedom, from shares so that tiny variances do not underflow.
    share = error_a / (error_a + error_b)
    df = 1.0 / (share**2 / (len(a) - 1) + (1.0 - share) ** 2 / (len(b) - 1))
    return student_t_tail(t, df)


def student_t_tail(t: float, df: float) -> float:
    """Return P(|T| >= |t|) of Student's t distribution.

    With T = sqrt(df) cot(phi) the density of phi in (0, pi) is proportional to sin(phi)^(df - 1).

    Args:
        t: the statistic.
        df: degrees of freedom, at least 1; need not be whole.
    """
    edge = math.atan2(math.sqrt(df), abs(t))  # pi / 2 for t = 0
    # phi = edge u^3 keeps the integrand smooth at 0 for df between 1 and 2.
    nodes, weights = _quadrature()
    u = (nodes + 1.0) / 2.0
    integrand = 3.0 * u**2 * edge * np.sin(edge * u**3) ** (df - 1.0)
    tail = float(np.sum(weights * integrand)) / 2.0
    half = math.sqrt(math.pi) / 2.0 * math.exp(math.lgamma(df / 2.0) - math.lgamma(df / 2.0 + 0.5))
    return min(tail / half, 1.0)


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values: rejecting those below 0.05 makes a false rejection anywhere
    among them with a probability of at most 5 % (Holm 1979)."""
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
