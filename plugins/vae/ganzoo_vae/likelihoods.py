"""p(x | z) over the levels of a pixel: each a probability mass, so that all of them compare.

The Gaussian and the logistic distribution give a level the mass between the middles to its
neighbours; the first and last level take the tails (Salimans et al. 2017, arXiv 1701.05517).

Shapes: any; parameters [..., n] for values [...].
"""

import math

import torch
from torch.nn.functional import logsigmoid
from torch.special import log_ndtr

from ganzoo_core.data.levels import from_codes

SHARPEST = -7.0
"""The least logarithm of a scale, where images lie in [-1, 1]."""


class Bernoulli:
    """Black or white: one logit a value."""

    numbers = 1

    def __init__(self, levels):
        assert levels == 2

    def log_prob(self, logit, code):
        """Return log p [...] of codes 0 or 1 [...] for logits [..., 1]."""
        return logsigmoid(logit[..., 0] * (2 * code - 1))

    def mean(self, logit):
        """Return the expected value [...] in [-1, 1]."""
        return 2 * logit[..., 0].sigmoid() - 1


class Located:
    """What a distribution with a place and a scale has: two numbers a value."""

    numbers = 2

    def __init__(self, levels):
        self.levels, self.half = levels, 1 / (levels - 1)

    def log_prob(self, numbers, code):
        """Return log p [...] of codes [...] for (place, log scale) [..., 2]."""
        place, log_scale = numbers.float().unbind(-1)
        narrow = (-log_scale.clamp(min=SHARPEST)).exp()
        gap = from_codes(code, self.levels) - place
        low, high = (gap - self.half) * narrow, (gap + self.half) * narrow
        first, last = code == 0, code == self.levels - 1
        inside = self.between(low, high)
        return torch.where(first, self.below(high), torch.where(last, self.below(-low), inside))

    def mean(self, numbers):
        """Return the middle [...] in [-1, 1]."""
        return numbers[..., 0].clamp(-1, 1)


class Logistic(Located):
    """The logistic distribution; sigmoid is its distribution function."""

    def below(self, x):
        """Return log F(x); 1 - F(x) is F(-x)."""
        return logsigmoid(x)

    def between(self, low, high):
        """Return log(F(high) - F(low)): F(a) - F(b) = F(a) F(-b) (1 - exp(b - a))."""
        return logsigmoid(high) + logsigmoid(-low) + torch.log(-torch.expm1(low - high))


class Gaussian(Located):
    """The normal distribution."""

    def below(self, x):
        """Return log F(x)."""
        return log_ndtr(x)

    def between(self, low, high):
        """Return log(F(high) - F(low)), in the lower tail, where floats are fine enough."""
        upper = low + high > 0
        low, high = torch.where(upper, -high, low), torch.where(upper, -low, high)
        top, bottom = log_ndtr(high), log_ndtr(low)
        return top + torch.log(-torch.expm1((bottom - top).clamp(max=-1e-6)))


LIKELIHOODS = {"bernoulli": Bernoulli, "gaussian": Gaussian, "logistic": Logistic}
NORMAL = math.log(2 * math.pi)


def log_normal(z):
    """Return log N(z; 0, I) [...] of vectors [..., Z]."""
    return -0.5 * (z.square() + NORMAL).sum(-1)
