"""Which faces are kept: named filters, in order, each with the count of what it removed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.splits import digest, on_side
from ganzoo_imdb_wiki.config import ImdbWikiConfig
from ganzoo_imdb_wiki.mat import Faces

Mask = NDArray[np.bool_]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "report": {"min_age": 1},
    "clean": {
        "min_score": 1.0,
        "single_face": True,
        "min_age": 0,
        "max_age": 100,
        "gender_known": True,
    },
}
"""report: srikaran-p/AI2100---Project. clean: leaves 38,138 of WIKI's 62,328."""

IMDB_IDS = 1 << 40
"""Added to nm ids, so that they never meet the page ids of WIKI."""
CELEB_IDS = 1 << 41
"""Added to `celeb_id`, for IMDb names without an nm id."""
NAMELESS_IDS = 1 << 42
"""Added to a hash of the path, for a name without any id: a person of its own."""


def chosen(config: ImdbWikiConfig) -> dict[str, Any]:
    """Return the filter options: the preset, with those laid over it that were set."""
    names = ("min_score", "single_face", "min_age", "max_age", "gender_known")
    own = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
    return {**PRESETS[config.filters], **own}


def keeps(faces: Faces, config: ImdbWikiConfig) -> Iterator[tuple[str, Mask]]:
    """Yield the active filters, cheapest reading first: what each removes, and [N] who stays."""
    options, ages = chosen(config), faces.ages()
    if (low := options.get("min_age")) is not None:
        yield f"age below {low}", ages >= low
    if (high := options.get("max_age")) is not None:
        yield f"age above {high}", ages <= high
    if (score := options.get("min_score", "any")) != "any":
        yield f"face score below {score:g}", faces.face_score >= score
    if options.get("single_face"):
        # NaN, no second face, is not above 0.
        yield "second face", ~(faces.second_face_score > 0)
    if options.get("gender_known"):
        yield "gender unknown", np.isfinite(faces.gender)
    if config.split != "all":
        stays = on_side(identities(faces).tolist(), config.split, config.test_share)
        yield f"not in the {config.split} split", stays


def identities(faces: Faces) -> NDArray[np.int64]:
    """Return [N] one number a person, the same in every copy of the data.

    WIKI: the page id. IMDb: the nm id, lifted by `IMDB_IDS`. Both are read from the file name,
    of which only the dates are ever malformed.
    """
    find = wiki_id if faces.part == "wiki" else imdb_id
    rows = zip(faces.full_path, faces.celeb_id.tolist(), strict=True)
    return np.array([find(path, celeb) for path, celeb in rows], np.int64)


def wiki_id(path: str, _: int) -> int:
    """Return the person of 17/10000217_1981-05-05_2009.jpg."""
    match = re.match(r"(\d{1,12})_", path.rpartition("/")[2], re.ASCII)
    return int(match[1]) if match else nameless(path)


def imdb_id(path: str, celeb: int) -> int:
    """Return the person of 64/nm1002664_rm1109196544_0-7-31_2015.jpg."""
    match = re.match(r"nm(\d{1,12})_", path.rpartition("/")[2], re.ASCII)
    if match:
        return IMDB_IDS + int(match[1])
    return CELEB_IDS + celeb if celeb > 0 else nameless(path)


def nameless(path: str) -> int:
    """Return a person of its own for a path."""
    return NAMELESS_IDS + (digest(path) >> 24)
