"""Train and test sides that share nobody, the same on every machine and for good."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


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
