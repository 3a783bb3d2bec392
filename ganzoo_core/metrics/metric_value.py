"""What a metric returns, and the error it raises where it does not apply."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ganzoo_core.errors import DataError

BetterDirection = Literal["higher", "lower", ""]


class MetricNotApplicableError(DataError):
    """A metric does not apply to these images, labels or networks; the message names a remedy."""


def require_enough_images(
    metric_name: str, real_and_fake: tuple[Sized, Sized], minimum: int, alternative: str = ""
) -> None:
    """Refuse too few real images or samples.

    Args:
        metric_name: named in the message.
        real_and_fake: the real images and the samples.
        minimum: the number needed of each.
        alternative: another remedy, appended to the message.

    Raises:
        MetricNotApplicableError: there are too few.
    """
    real, fake = map(len, real_and_fake)
    if min(real, fake) < minimum:
        remedy = "more real images" if real < min(fake, minimum) else "a larger -n"
        raise MetricNotApplicableError(
            f"{metric_name} needs {minimum:,} real images and {minimum:,} samples, and has "
            f"{real:,} and {fake:,}: give {remedy}{alternative}"
        )


@dataclass(frozen=True, kw_only=True)
class MetricValue:
    """One number with its uncertainty."""

    value: float
    std_error: float | None = None
    """Standard error; None where unknown."""
    better: BetterDirection = ""
    """Which direction is better; empty for neither."""
    breakdown: Mapping[str, float] = field(default_factory=dict)
    """The value by class or by another key, where the metric computes it."""
    ci95: tuple[float, float] | None = None
    """95 % confidence interval, where the metric computes it."""
    breakdown_ci95: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The intervals of `breakdown`."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def binomial_std_error(proportion: float, n: int) -> float:
    """Return the standard error of a proportion of n independent cases."""
    return float((proportion * (1 - proportion) / n) ** 0.5)
