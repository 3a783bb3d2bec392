"""The contact sheet: `python -m ganzoo_people.sheet OUT.png` draws eight people at six ages.

One row is one person, photographed six times: age grows from left to right, and pose, light,
backdrop, expression and clothes are another photo's each time.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo_people.ageing import appearance
from ganzoo_people.factors import SPLITS, identity, nuisance
from ganzoo_people.portrait import render

AGES = (1, 10, 24, 42, 60, 82)
PEOPLE, SIZE, SEED = 8, 128, 0


def sheet(first=SPLITS["test"].start, ages=AGES, people=PEOPLE, size=SIZE):
    """Render people from `first` on at the ages given, uint8 [people * size, ages * size, 3]."""
    numbers = range(first, first + people)
    looks = [appearance(identity(SEED, n), age) for n in numbers for age in ages]
    photos = [nuisance(SEED, n, k) for n in numbers for k in range(len(ages))]
    tiles = render(looks, photos, size).reshape(people, len(ages), size, size, 3)
    return np.swapaxes(tiles, 1, 2).reshape(people * size, len(ages) * size, 3)


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "people.png")
    picture = Image.fromarray(sheet()).quantize(
        256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
    )
    picture.save(out, optimize=True)
    print(f"{PEOPLE} people at {', '.join(map(str, AGES))} years: {out}")
