"""The filters of IMDB-WIKI and the identity of each image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.splits import split_mask, stable_hash64
from ganzoo_imdb_wiki.config import ImdbWikiConfig
from ganzoo_imdb_wiki.mat_records import FaceRecords

_Mask = NDArray[np.bool_]

_FILTER_PRESETS: Mapping[str, Mapping[str, Any]] = {
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

IMDB_ID_OFFSET = 1 << 40
"""Added to nm ids, so that they differ from the page ids of WIKI."""
_CELEB_ID_OFFSET = 1 << 41
"""Added to `celeb_id`, for IMDb names without an nm id."""
PATH_ID_OFFSET = 1 << 42
"""Added to a hash of the path, for names without any id: each is a separate person."""


def _resolve_filter_options(config: ImdbWikiConfig) -> dict[str, Any]:
    """Return the options of the preset, overridden by those that were set."""
    names = ("min_score", "single_face", "min_age", "max_age", "gender_known")
    own = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
    return {**_FILTER_PRESETS[config.filters], **own}


def iter_filter_masks(faces: FaceRecords, config: ImdbWikiConfig) -> Iterator[tuple[str, _Mask]]:
    """Yield the active filters: the reason for removal, and [N] bool of what is kept."""
    options, ages = _resolve_filter_options(config), faces.ages(config.age_rule)
    if (low := options.get("min_age")) is not None:
        yield f"age below {low}", ages >= low
    if (high := options.get("max_age")) is not None:
        yield f"age above {high}", ages <= high
    if (score := options.get("min_score", "any")) != "any":
        yield f"face score below {score:g}", faces.face_score >= score
    if options.get("single_face"):
        # NaN means no second face
        yield "second face", ~(faces.second_face_score > 0)
    if options.get("gender_known"):
        yield "gender unknown", np.isfinite(faces.gender)
    if config.split != "all":
        stays = split_mask(person_ids(faces).tolist(), config.split, config.test_share)
        yield f"not in the {config.split} split", stays


def person_ids(faces: FaceRecords) -> NDArray[np.int64]:
    """Return [N] identity numbers, the same in every copy of the data.

    WIKI: the page id. IMDb: the nm id plus `IMDB_ID_OFFSET`. Both come from the file name, where
    only dates can be malformed.
    """
    parse_id = _parse_wiki_id if faces.part == "wiki" else _parse_imdb_id
    rows = zip(faces.full_path, faces.celeb_id.tolist(), strict=True)
    return np.array([parse_id(path, celeb) for path, celeb in rows], np.int64)


def _parse_wiki_id(path: str, _: int) -> int:
    """Return 10000217 of 17/10000217_1981-05-05_2009.jpg."""
    match = re.match(r"(\d{1,12})_", path.rpartition("/")[2], re.ASCII)
    return int(match[1]) if match else _id_from_path(path)


def _parse_imdb_id(path: str, celeb: int) -> int:
    """Return 1002664 + offset of 64/nm1002664_rm1109196544_0-7-31_2015.jpg."""
    match = re.match(r"nm(\d{1,12})_", path.rpartition("/")[2], re.ASCII)
    if match:
        return IMDB_ID_OFFSET + int(match[1])
    return _CELEB_ID_OFFSET + celeb if celeb > 0 else _id_from_path(path)


def _id_from_path(path: str) -> int:
    return PATH_ID_OFFSET + (stable_hash64(path) >> 24)
