"""Golden values of this RENDER_VERSION; `python golden.py` writes golden.json."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import ganzoo_people as people
import numpy as np

PATH = Path(__file__).with_name("golden.json")
CASES = [(0, 0, 0), (0, 1_000_003, 1), (7, 4_000_123, 5), (123, 2_345_678, 12)]
AGES = [1.5, 16.0, 37.0, 78.0]
SIZE = 64


def block_means(picture: np.ndarray) -> np.ndarray:
    """Return the means of the 8 x 8 blocks of an image [64, 64, 3], [8, 8, 3] in gray levels."""
    return picture.reshape(8, 8, 8, 8, 3).mean((1, 3), dtype=np.float64)


def render_golden_portraits() -> np.ndarray:
    """Return the golden portraits, uint8 [4, 64, 64, 3]."""
    appearances = [
        people.appearance(people.identity(s, n), a)
        for (s, n, _), a in zip(CASES, AGES, strict=True)
    ]
    return people.render(appearances, [people.nuisance(*case) for case in CASES], SIZE)


def main() -> None:
    records = {
        "render_version": people.RENDER_VERSION,
        "identity": [dataclasses.asdict(people.identity(s, n)) for s, n, _ in CASES],
        "nuisance": [dataclasses.asdict(people.nuisance(*case)) for case in CASES],
        "age": [people.age(*case) for case in CASES],
        "blocks": [np.round(block_means(p), 1).tolist() for p in render_golden_portraits()],
    }
    PATH.write_text(json.dumps(records) + "\n")


if __name__ == "__main__":
    main()
