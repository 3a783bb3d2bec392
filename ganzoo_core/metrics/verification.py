"""Same person or not: pairs of photographs, thresholds, and what is accepted at them.

A pair is accepted when the distance of its two points is at most the threshold. Genuine pairs show
one person, impostors two. Thresholds come from other people than those they are tried on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.errors import DataError
from ganzoo_core.metrics.bootstrap import interval, resampled

Floats = NDArray[np.float64]
FARS = (1e-1, 1e-2, 1e-3, 1e-4)
"""False accept rates at which the true accept rate is stated."""
MOST = 200_000
"""Impostor pairs drawn; there are N^2 of them."""


@dataclass(frozen=True)
class Pairs:
    """Distances of genuine and impostor pairs, and whose they are."""

    genuine: Floats
    """[G], distances."""
    impostor: Floats
    """[I], distances."""
    who: NDArray[np.int64]
    """[G], the person of each genuine pair."""
    first: NDArray[np.int64]
    """[I], one of the two people of each impostor pair."""

    def accuracy(self, threshold: float) -> float:
        """Return the mean of the share of genuine pairs accepted and of impostors refused."""
        return float(((self.genuine <= threshold).mean() + (self.impostor > threshold).mean()) / 2)

    def accuracy_interval(self, threshold: float, seed: int = 0) -> tuple[float, float]:
        """Return the 95 % interval of `accuracy`, over resamples of the people."""
        accepted = resampled(self.genuine <= threshold, self.who, seed)
        refused = resampled(self.impostor > threshold, self.first, seed)
        return interval((accepted + refused) / 2)

    def accepted(self, threshold: float) -> float:
        """Return the true accept rate."""
        return float((self.genuine <= threshold).mean())

    def best_threshold(self) -> float:
        """Return the threshold of the highest accuracy."""
        tries = np.quantile(np.concatenate([self.genuine, self.impostor]), np.linspace(0, 1, 2001))
        return float(tries[int(np.argmax([self.accuracy(t) for t in tries]))])

    def threshold_at(self, far: float) -> float:
        """Return the largest threshold at which at most `far` of the impostors are accepted.

        Raises:
            DataError: there are too few impostors to know.
        """
        allowed = int(far * len(self.impostor))
        if not 1 <= allowed < len(self.impostor):
            raise DataError(
                f"{len(self.impostor):,} impostor pairs are too few for a false accept rate of "
                f"{far:g}: give at least {int(np.ceil(1 / far)):,}"
            )
        first_refused = np.partition(self.impostor, allowed)[allowed]
        return float(np.nextafter(first_refused, -np.inf))

    def roc(self, points: int = 400) -> tuple[Floats, Floats]:
        """Return false and true accept rates [points] over rising thresholds."""
        tries = np.quantile(
            np.concatenate([self.genuine, self.impostor]), np.linspace(0, 1, points)
        )
        far = np.searchsorted(np.sort(self.impostor), tries, side="right") / len(self.impostor)
        tar = np.searchsorted(np.sort(self.genuine), tries, side="right") / len(self.genuine)
        return far, tar


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How well people are told apart, at a threshold from elsewhere."""

    accuracy: float
    interval: tuple[float, float]
    """95 %, over resamples of the people."""
    threshold: float
    genuine: int
    """Pairs."""
    impostors: int
    people: int
    tar: dict[str, float]
    """True accept rate by false accept rate; those too rare for the impostors are left out."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def check_points(points: NDArray[Any]) -> Floats:
    """Return points [N, D] as float64.

    Raises:
        DataError: one is not finite.
    """
    bad = ~np.isfinite(points).all(1)
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} of {len(points)} embeddings are not finite, the first is number "
            f"{int(np.argmax(bad))}: the network or its input is broken"
        )
    return np.asarray(points, np.float64)


def all_pairs(points: NDArray[Any], who: NDArray[Any], seed: int = 0, most: int = MOST) -> Pairs:
    """Return every genuine pair of points [N, D], and at most `most` impostor pairs.

    Args:
        who: [N], equal for photographs of one person.

    Raises:
        DataError: there is no genuine or no impostor pair.
    """
    points = check_points(points)
    names = np.unique(who, return_inverse=True)[1]
    order = np.argsort(names, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(names))[:-1])
    pairs = [part[np.stack(np.triu_indices(len(part), 1), 1)] for part in parts]
    genuine = np.concatenate(pairs) if pairs else np.empty((0, 2), int)
    if not len(genuine) or len(parts) < 2:
        raise DataError(
            f"{len(points)} photographs of {len(parts)} people make no pair of each kind: give two "
            "people or more, and two photographs of one"
        )
    impostor = impostors(names, seed, most)
    return Pairs(
        distances(points, genuine),
        distances(points, impostor),
        names[genuine[:, 0]],
        names[impostor[:, 0]],
    )


def impostors(who: NDArray[np.int64], seed: int, most: int) -> NDArray[np.int64]:
    """Return pairs [I, 2] of photographs of two people: all of them, or `most` drawn evenly."""
    count = len(who)
    if count * (count - 1) // 2 <= most:
        pairs = np.stack(np.triu_indices(count, 1), 1)
        return np.asarray(pairs[who[pairs[:, 0]] != who[pairs[:, 1]]])
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, count, (most * 2, 2))
    return np.asarray(drawn[who[drawn[:, 0]] != who[drawn[:, 1]]][:most])


def distances(points: Floats, pairs: NDArray[np.int64]) -> Floats:
    """Return the distances [n] of pairs [n, 2] of points [N, D]."""
    out = np.empty(len(pairs))
    for start in range(0, len(pairs), 65536):
        part = pairs[start : start + 65536]
        out[start : start + 65536] = np.linalg.norm(points[part[:, 0]] - points[part[:, 1]], axis=1)
    return out


def verify_people(
    points: NDArray[Any], who: NDArray[Any], threshold: float | None = None, seed: int = 0
) -> Verification:
    """Return how well the people of a set are told apart.

    Args:
        threshold: of `calibration` people; None for the set's own best one, which flatters.

    Raises:
        DataError: no pairs, or points that are not finite.
    """
    pairs = all_pairs(points, who, seed)
    at = pairs.best_threshold() if threshold is None else threshold
    known = [far for far in FARS if far * len(pairs.impostor) >= 1]
    return Verification(
        accuracy=pairs.accuracy(at),
        interval=pairs.accuracy_interval(at, seed),
        threshold=at,
        genuine=len(pairs.genuine),
        impostors=len(pairs.impostor),
        people=len(np.unique(who)),
        tar={f"{far:g}": pairs.accepted(pairs.threshold_at(far)) for far in known},
    )


def ten_fold(
    distance: Floats, same: NDArray[np.bool_], fold: NDArray[np.int64]
) -> tuple[float, float]:
    """Return mean and standard error of the accuracy over folds, as LFW asks for: the threshold of
    each fold is the best one of all others.

    Args:
        distance: [n] of each pair. same: [n] whether it shows one person. fold: [n], its fold.
    """
    accuracy = []
    for number in np.unique(fold):
        out = fold == number
        tries = np.unique(distance[~out])
        right = np.searchsorted(np.sort(distance[~out & same]), tries, side="right")
        wrong = np.searchsorted(np.sort(distance[~out & ~same]), tries, side="right")
        threshold = tries[int(np.argmax(right - wrong))]
        accuracy.append(float(((distance[out] <= threshold) == same[out]).mean()))
    folds = np.asarray(accuracy)
    error = folds.std(ddof=1) / np.sqrt(len(folds)) if len(folds) > 1 else float("nan")
    return float(folds.mean()), float(error)
