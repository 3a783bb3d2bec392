"""Train and test sides that share nobody, the same on every machine and for good."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def on_side(people: Sequence[object], split: str, share: float) -> NDArray[np.bool_]:
    """Tell, [N], whose pictures are in a split.

    Args:
        split: all, train, test, or train-a and train-b, the halves of train.
        share: of the people, 0 to 1, in `test`.
    """
    if split == "all":
        return np.ones(len(people), bool)
    test = in_test(people, share)
    if split == "test":
        return test
    if split == "train":
        return ~test
    first = in_test(people, (1 + share) / 2)
    return ~test & (first if split == "train-a" else ~first)


def in_test(people: Sequence[object], share: float) -> NDArray[np.bool_]:
    """Tell, [N], whose pictures are in the test split.

    Each person's side is a hash of their name or number alone: all pictures of one person fall
    on one side, more data move nobody, and a larger share only adds people.

    Args:
        people: [N] names or numbers, equal for the pictures of one person.
        share: of the people, 0 to 1.
    """
    bound = share * 2.0**64
    sides = {person: digest(str(person)) < bound for person in set(people)}
    return np.array([sides[person] for person in people], bool)


def digest(text: str) -> int:
    """Return 64 bits that depend on the text alone."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
