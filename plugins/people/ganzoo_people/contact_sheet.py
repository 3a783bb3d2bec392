"""`python -m ganzoo_people.contact_sheet OUT.png` renders eight people at six ages.

A row is one person. Age increases from left to right; pose, light, backdrop, expression and clothes
differ between the photos.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo_people.aging import appearance
from ganzoo_people.factors import SPLITS, identity, nuisance
from ganzoo_people.portrait import render

_AGES = (1, 10, 24, 42, 60, 82)
PEOPLE, SIZE, SEED = 8, 128, 0


def render_contact_sheet(first=SPLITS["test"].start, ages=_AGES, people=PEOPLE, size=SIZE):
    """Return a sheet of `people` rows and one column for each age.

    Args:
        first: number of the first identity.
        ages: in years.
        people: number of identities.
        size: edge of one portrait, in pixels.

    Returns:
        uint8 [people * size, len(ages) * size, 3].
    """
    numbers = range(first, first + people)
    looks = [appearance(identity(SEED, n), age) for n in numbers for age in ages]
    photos = [nuisance(SEED, n, k) for n in numbers for k in range(len(ages))]
    tiles = render(looks, photos, size).reshape(people, len(ages), size, size, 3)
    return np.swapaxes(tiles, 1, 2).reshape(people * size, len(ages) * size, 3)


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "people.png")
    image = Image.fromarray(render_contact_sheet()).quantize(
        256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
    )
    image.save(out, optimize=True)
    print(f"{PEOPLE} people at {', '.join(map(str, _AGES))} years: {out}")
