"""Train and test splits by person: a function of the person's name alone, on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray


def split_mask(person_ids: Sequence[object], split: str, test_share: float) -> NDArray[np.bool_]:
    """Return [N] bool: which images belong to a split.

    The split of a person is a hash of their name or number. So all images of a person are in one
    split, more data does not move anyone, and a larger `test_share` only adds people to `test`.

    Args:
        person_ids: [N] names or numbers, equal for the images of one person.
        split: all, train, test, or train-a and train-b, the halves of train.
        test_share: fraction of the people in `test`, 0 to 1.
    """
    low, high = _split_intervals(test_share)[split]
    is_in_split = {
        person: low * 2.0**64 <= stable_hash64(str(person)) < high * 2.0**64
        for person in set(person_ids)
    }
    return np.array([is_in_split[person] for person in person_ids], bool)


def _split_intervals(test_share: float) -> dict[str, tuple[float, float]]:
    """Return the interval of hashes, within 0 to 1, of each split."""
    middle = (1 + test_share) / 2
    return {
        "all": (0.0, 1.0),
        "test": (0.0, test_share),
        "train": (test_share, 1.0),
        "train-a": (test_share, middle),
        "train-b": (middle, 1.0),
    }


def splits_overlap(one: str, other: str) -> bool:
    """Return whether two splits of one data set share people.

    A split with another name, such as `evaluator` of `people`, overlaps only with itself. Splits
    of several stages of one training are joined by ``+``.
    """
    if "+" in one or "+" in other:
        pairs = product(one.split("+"), other.split("+"))
        return any(splits_overlap(*pair) for pair in pairs)
    parts = _split_intervals(0.5)
    if one not in parts or other not in parts:
        return one == other
    (low, high), (bottom, top) = parts[one], parts[other]
    return max(low, bottom) < min(high, top)


def stable_hash64(text: str) -> int:
    """Return a 64-bit hash that depends on the text alone."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
