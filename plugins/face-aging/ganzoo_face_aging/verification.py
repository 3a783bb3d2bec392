"""Face verification: pairs of photographs, thresholds, accept rates.

A pair is accepted if the distance of its two embeddings is at most the threshold. Genuine pairs
show one person, impostor pairs two. Thresholds are calibrated on other people than those they are
tested on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.errors import DataError
from ganzoo_face_aging.bootstrap import bootstrap_means, percentile_interval

_Floats = NDArray[np.float64]
FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4)
"""False accept rates at which the true accept rate is reported."""
_MAX_IMPOSTOR_PAIRS = 200_000
"""Impostor pairs that are used, at most; their number grows as N^2."""


@dataclass(frozen=True)
class PairDistances:
    """Distances of G genuine and I impostor pairs."""

    genuine_distances: _Floats
    """[G]."""
    impostor_distances: _Floats
    """[I]."""
    genuine_person_ids: NDArray[np.int64]
    """[G], the person of each genuine pair."""
    impostor_person_ids: NDArray[np.int64]
    """[I], one of the two people of each impostor pair."""

    def accuracy(self, threshold: float) -> float:
        """Return the mean of the true accept rate and the true reject rate."""
        true_accept_rate = (self.genuine_distances <= threshold).mean()
        true_reject_rate = (self.impostor_distances > threshold).mean()
        return float((true_accept_rate + true_reject_rate) / 2)

    def accuracy_ci95(self, threshold: float, seed: int = 0) -> tuple[float, float]:
        """Return the 95 % interval of `accuracy` over resamples of the people."""
        accepted = bootstrap_means(
            self.genuine_distances <= threshold, self.genuine_person_ids, seed
        )
        rejected = bootstrap_means(
            self.impostor_distances > threshold, self.impostor_person_ids, seed
        )
        return percentile_interval((accepted + rejected) / 2)

    def true_accept_rate(self, threshold: float) -> float:
        """Return the share of genuine pairs that are accepted."""
        return float((self.genuine_distances <= threshold).mean())

    def best_threshold(self) -> float:
        """Return the threshold with the highest accuracy on these pairs."""
        candidates = np.quantile(
            np.concatenate([self.genuine_distances, self.impostor_distances]),
            np.linspace(0, 1, 2001),
        )
        return float(candidates[int(np.argmax([self.accuracy(t) for t in candidates]))])

    def threshold_at_far(self, far: float) -> float:
        """Return the largest threshold that accepts at most a share `far` of the impostor pairs.

        Raises:
            DataError: there are too few impostor pairs for this rate.
        """
        allowed = int(far * len(self.impostor_distances))
        if not 1 <= allowed < len(self.impostor_distances):
            raise DataError(
                f"{len(self.impostor_distances):,} impostor pairs are too few for a false accept "
                f"rate of {far:g}: give at least {int(np.ceil(1 / far)):,}"
            )
        first_rejected = np.partition(self.impostor_distances, allowed)[allowed]
        return float(np.nextafter(first_rejected, -np.inf))

    def roc(self) -> tuple[_Floats, _Floats]:
        """Return false and true accept rates [T] at all thresholds, from (0, 0) to (1, 1).

        Thresholds inside a straight part of the curve are left out.
        """
        from sklearn.metrics import roc_curve

        distances = np.concatenate([self.genuine_distances, self.impostor_distances])
        is_genuine = np.arange(len(distances)) < len(self.genuine_distances)
        far, tar, _ = roc_curve(is_genuine, -distances)
        return far, tar


@dataclass(frozen=True, kw_only=True)
class _VerificationReport:
    """Verification results at one threshold."""

    accuracy: float
    accuracy_ci95: tuple[float, float]
    """Over resamples of the people."""
    threshold: float
    num_genuine_pairs: int
    num_impostor_pairs: int
    num_people: int
    tar_at_far: dict[str, float]
    """True accept rate by false accept rate, without rates that need more impostor pairs."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def require_finite_embeddings(embeddings: NDArray[Any]) -> _Floats:
    """Return embeddings [N, D] as float64.

    Raises:
        DataError: a value is not finite.
    """
    bad = ~np.isfinite(embeddings).all(1)
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} of {len(embeddings)} embeddings are not finite, the first is number "
            f"{int(np.argmax(bad))}: the network or its input is broken"
        )
    return np.asarray(embeddings, np.float64)


def make_pair_distances(
    embeddings: NDArray[Any],
    person_ids: NDArray[Any],
    seed: int = 0,
    max_impostor_pairs: int = _MAX_IMPOSTOR_PAIRS,
) -> PairDistances:
    """Return the distances of all genuine pairs and of random impostor pairs.

    Args:
        embeddings: [N, D].
        person_ids: [N], equal for photographs of one person.
        seed: of the choice of impostor pairs.
        max_impostor_pairs: number of impostor pairs, at most.

    Raises:
        DataError: there is no genuine or no impostor pair.
    """
    embeddings = require_finite_embeddings(embeddings)
    person_index = np.unique(person_ids, return_inverse=True)[1]
    order = np.argsort(person_index, kind="stable")
    rows_by_person = np.split(order, np.cumsum(np.bincount(person_index))[:-1])
    pairs = [part[np.stack(np.triu_indices(len(part), 1), 1)] for part in rows_by_person]
    genuine = np.concatenate(pairs) if pairs else np.empty((0, 2), int)
    if not len(genuine) or len(rows_by_person) < 2:
        raise DataError(
            f"{len(embeddings)} photographs of {len(rows_by_person)} people: verification needs "
            "at least two people, and two photographs of one of them"
        )
    impostor = impostor_pairs(person_index, seed, max_impostor_pairs)
    return PairDistances(
        pair_distances(embeddings, genuine),
        pair_distances(embeddings, impostor),
        person_index[genuine[:, 0]],
        person_index[impostor[:, 0]],
    )


def impostor_pairs(person_ids: NDArray[np.int64], seed: int, max_pairs: int) -> NDArray[np.int64]:
    """Return index pairs [I, 2] of different people: all of them, or `max_pairs` at random."""
    count = len(person_ids)
    if count * (count - 1) // 2 <= max_pairs:
        pairs = np.stack(np.triu_indices(count, 1), 1)
        return np.asarray(pairs[person_ids[pairs[:, 0]] != person_ids[pairs[:, 1]]])
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, count, (max_pairs * 2, 2))
    return np.asarray(drawn[person_ids[drawn[:, 0]] != person_ids[drawn[:, 1]]][:max_pairs])


def pair_distances(embeddings: _Floats, pairs: NDArray[np.int64]) -> _Floats:
    """Return the distances [n] of index pairs [n, 2] into embeddings [N, D]."""
    out = np.empty(len(pairs))
    for start in range(0, len(pairs), 65536):
        chunk = pairs[start : start + 65536]
        out[start : start + 65536] = np.linalg.norm(
            embeddings[chunk[:, 0]] - embeddings[chunk[:, 1]], axis=1
        )
    return out


def evaluate_verification(
    embeddings: NDArray[Any],
    person_ids: NDArray[Any],
    threshold: float | None = None,
    seed: int = 0,
) -> _VerificationReport:
    """Return the verification results of a set of photographs.

    Args:
        embeddings: [N, D].
        person_ids: [N], equal for photographs of one person.
        threshold: calibrated on other people; None for the best one on this set, which
            overestimates the accuracy.
        seed: of the impostor pairs and the resamples.

    Raises:
        DataError: no pairs, or embeddings that are not finite.
    """
    pairs = make_pair_distances(embeddings, person_ids, seed)
    used_threshold = pairs.best_threshold() if threshold is None else threshold
    measurable_fars = [
        far for far in FALSE_ACCEPT_RATES if far * len(pairs.impostor_distances) >= 1
    ]
    return _VerificationReport(
        accuracy=pairs.accuracy(used_threshold),
        accuracy_ci95=pairs.accuracy_ci95(used_threshold, seed),
        threshold=used_threshold,
        num_genuine_pairs=len(pairs.genuine_distances),
        num_impostor_pairs=len(pairs.impostor_distances),
        num_people=len(np.unique(person_ids)),
        tar_at_far={
            f"{far:g}": pairs.true_accept_rate(pairs.threshold_at_far(far))
            for far in measurable_fars
        },
    )


def kfold_accuracy(
    distance: _Floats, is_same: NDArray[np.bool_], fold: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the mean and the standard error of the accuracy over folds (LFW protocol). The
    threshold of each fold is the best one on all other folds.

    Args:
        distance: [n], of each pair.
        is_same: [n], whether the pair shows one person.
        fold: [n], the fold of each pair.
    """
    accuracy = []
    # Own code: scikit-learn's roc_curve returns rates, and LFW's accuracy needs counts.
    for number in np.unique(fold):
        is_held_out = fold == number
        candidates = np.unique(distance[~is_held_out])
        num_accepted_genuine = np.searchsorted(
            np.sort(distance[~is_held_out & is_same]), candidates, side="right"
        )
        num_accepted_impostors = np.searchsorted(
            np.sort(distance[~is_held_out & ~is_same]), candidates, side="right"
        )
        threshold = candidates[int(np.argmax(num_accepted_genuine - num_accepted_impostors))]
        accuracy.append(
            float(((distance[is_held_out] <= threshold) == is_same[is_held_out]).mean())
        )
    fold_accuracies = np.asarray(accuracy)
    std_error = (
        fold_accuracies.std(ddof=1) / np.sqrt(len(fold_accuracies))
        if len(fold_accuracies) > 1
        else float("nan")
    )
    return float(fold_accuracies.mean()), float(std_error)
