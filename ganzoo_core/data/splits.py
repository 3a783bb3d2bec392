"""Train and test sides that share nobody, the same on every machine and for good."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def on_side(people: Sequence[object], split: str, share: float) -> NDArray[np.bool_]:
    """Tell, [N], whose pictures are in a split.

    Each person's side is a hash of their name or number alone: all pictures of one person fall
    on one side, more data move nobody, and a larger share only adds people to `test`.

    Args:
        people: [N] names or numbers, equal for the pictures of one person.
        split: all, train, test, or train-a and train-b, the halves of train.
        share: of the people, 0 to 1, in `test`.
    """
    low, high = spans(share)[split]
    sides = {
        person: low * 2.0**64 <= digest(str(person)) < high * 2.0**64 for person in set(people)
    }
    return np.array([sides[person] for person in people], bool)


def spans(share: float) -> dict[str, tuple[float, float]]:
    """Return the part of all hashes, 0 to 1, that each split takes; `share` is that of `test`."""
    middle = (1 + share) / 2
    return {
        "all": (0.0, 1.0),
        "test": (0.0, share),
        "train": (share, 1.0),
        "train-a": (share, middle),
        "train-b": (middle, 1.0),
    }


def overlap(one: str, other: str) -> bool:
    """Tell whether two splits of one data set share people; a split of a name that is not known
    here, such as the judges' of `people`, does with itself alone."""
    parts = spans(0.5)
    if one not in parts or other not in parts:
        return one == other
    (low, high), (bottom, top) = parts[one], parts[other]
    return max(low, bottom) < min(high, top)


def in_test(people: Sequence[object], share: float) -> NDArray[np.bool_]:
    """Tell, [N], whose pictures are in the test split; see `on_side`."""
    return on_side(people, "test", share)


def digest(text: str) -> int:
    """Return 64 bits that depend on the text alone."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
