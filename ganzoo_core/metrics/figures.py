"""What a metric returns, and how it says that it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ganzoo_core.errors import DataError

Better = Literal["higher", "lower", ""]


class Unfit(DataError):
    """A metric that these images, labels or networks do not allow; says what would do."""


def enough(what: str, sides: tuple[Sized, Sized], least: int, instead: str = "") -> None:
    """Refuse too few real images or samples.

    Args:
        sides: the real ones and the samples.
        instead: what else would do.

    Raises:
        Unfit: says how many are needed.
    """
    real, fake = map(len, sides)
    if min(real, fake) < least:
        where = "more real images" if real < min(fake, least) else "a larger -n"
        raise Unfit(
            f"{what} needs {least:,} real images and as many samples, and has {real:,} and "
            f"{fake:,}: give {where}{instead}"
        )


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number, its error where one is known, and which way is better."""

    value: float
    error: float | None = None
    """One standard error."""
    better: Better = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    """The same by class, where a metric gives it."""
    interval: tuple[float, float] | None = None
    """95 %, where a metric gives it."""
    part_intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def share_error(share: float, n: int) -> float:
    """Return the standard error of a share of n that stand alone."""
    return float((share * (1 - share) / n) ** 0.5)
