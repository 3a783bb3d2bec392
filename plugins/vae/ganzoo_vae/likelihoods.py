"""p(x | z) over the levels of a pixel. All are probability masses, so their values are comparable.

The Gaussian and the logistic distribution give each level the mass of its bin; the bins of the
first and the last level include the tails (Salimans et al. 2017, arXiv 1701.05517).

Shapes: any; parameters [..., n] for values [...].
"""

import math

import torch
from torch.nn.functional import logsigmoid
from torch.special import log_ndtr

from ganzoo_core.data.quantization import dequantize

_MIN_LOG_SCALE = -7.0
"""The smallest log scale, for images in [-1, 1]."""
_LOG_2PI = math.log(2 * math.pi)


class _Bernoulli:
    """Black or white: one logit per value."""

    num_params = 1

    def __init__(self, levels):
        assert levels == 2

    def log_prob(self, logits, codes):
        """Return log p [...] of codes 0 or 1 [...] for logits [..., 1]."""
        return logsigmoid(logits[..., 0] * (2 * codes - 1))

    def mean(self, logits):
        """Return the expected value [...] in [-1, 1]."""
        return 2 * logits[..., 0].sigmoid() - 1


class _DiscretizedLocationScale:
    num_params = 2

    def __init__(self, levels):
        self.levels, self.half_bin = levels, 1 / (levels - 1)

    def log_prob(self, params, codes):
        """Return log p [...] of codes [...] for (location, log scale) [..., 2]."""
        loc, log_scale = params.float().unbind(-1)
        inv_scale = (-log_scale.clamp(min=_MIN_LOG_SCALE)).exp()
        centered = dequantize(codes, self.levels) - loc
        low, high = (centered - self.half_bin) * inv_scale, (centered + self.half_bin) * inv_scale
        is_first, is_last = codes == 0, codes == self.levels - 1
        log_bin_prob = self.log_interval_prob(low, high)
        return torch.where(
            is_first, self.log_cdf(high), torch.where(is_last, self.log_cdf(-low), log_bin_prob)
        )

    def mean(self, params):
        """Return the location [...] in [-1, 1]."""
        return params[..., 0].clamp(-1, 1)


class _DiscretizedLogistic(_DiscretizedLocationScale):
    """The logistic distribution; its cdf is the sigmoid."""

    def log_cdf(self, x):
        """Return log F(x); 1 - F(x) is F(-x)."""
        return logsigmoid(x)

    def log_interval_prob(self, low, high):
        """Return log(F(high) - F(low)): F(a) - F(b) = F(a) F(-b) (1 - exp(b - a))."""
        return logsigmoid(high) + logsigmoid(-low) + torch.log(-torch.expm1(low - high))


class _DiscretizedGaussian(_DiscretizedLocationScale):
    """The normal distribution."""

    def log_cdf(self, x):
        """Return log F(x)."""
        return log_ndtr(x)

    def log_interval_prob(self, low, high):
        """Return log(F(high) - F(low)), computed in the lower tail, where floats are precise."""
        in_upper_tail = low + high > 0
        low, high = torch.where(in_upper_tail, -high, low), torch.where(in_upper_tail, -low, high)
        log_cdf_high, log_cdf_low = log_ndtr(high), log_ndtr(low)
        return log_cdf_high + torch.log(-torch.expm1((log_cdf_low - log_cdf_high).clamp(max=-1e-6)))


LIKELIHOODS = {
    "bernoulli": _Bernoulli,
    "gaussian": _DiscretizedGaussian,
    "logistic": _DiscretizedLogistic,
}


def standard_normal_log_prob(z):
    """Return log N(z; 0, I) [...] of vectors [..., Z]."""
    return -0.5 * (z.square() + _LOG_2PI).sum(-1)
