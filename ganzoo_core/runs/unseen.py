"""Choose the faces of the ageing protocol: people whom nobody saw, each on one side only."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.config import DataConfig
from ganzoo_core.data import Images, cache_folder, prepare
from ganzoo_core.data.part import Elsewhen, Part
from ganzoo_core.data.splits import in_test
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset
from ganzoo_core.metrics.ageing.faces import Faces
from ganzoo_core.metrics.sides import TEST_SHARE
from ganzoo_core.report import Progress
from ganzoo_core.runs.data import open_dataset

FACES = 500
"""Faces that are aged, unless told otherwise."""
OTHERS, CALIBRATION = 1200, 1000
"""Pictures at most of the reference, of the gallery; and of the calibration."""
Rows = NDArray[np.int64]


def splits_of(config: DataConfig) -> tuple[str, ...]:
    """Return the splits that a data set knows."""
    field = type(config).model_fields.get("split")
    return get_args(field.annotation) if field else ()


def unseen_config(config: DataConfig) -> DataConfig:
    """Return the options of the test split, where the data have one."""
    return within(config, "test") if "test" in splits_of(config) else config


def within(config: DataConfig, split: str) -> DataConfig:
    """Return the options of another split."""
    return type(config)(**{**config.model_dump(), "split": split})


def choose(
    dataset: Dataset, groups: tuple[int, ...], n: int, seed: int, progress: Progress
) -> Faces:
    """Choose and decode the faces of a test split; only they are ever decoded.

    Args:
        groups: inclusive upper edges of the age groups.
        n: faces to age, at most.

    Raises:
        DataError: no ages, or too few faces.
    """
    config, table = dataset.config, dataset.table()
    if table.ages is None:
        raise DataError(
            f"{config.name or 'these data'}: nobody's age is known, so ageing cannot "
            "be judged on them"
        )
    known = table.identities is not None
    everyone = np.arange(table.length) if table.identities is None else table.identities
    rows = np.arange(table.length)
    if "test" not in splits_of(config):
        rows = np.flatnonzero(in_test(everyone.tolist(), TEST_SHARE))
    source, mates, reference, gallery = parted(rows, everyone, n, np.random.default_rng(seed))
    if min(map(len, (source, reference, gallery))) == 0:
        raise DataError(
            f"{config.name}: {len(rows)} unseen faces are too few to age and to compare with"
        )
    taken: dict[str, Images] = {}
    sides = {"faces to age": source, "real faces": reference, "a gallery": gallery, "mates": mates}
    for what, side in sides.items():
        if len(side):
            taken[what] = decode(Part(dataset, side), groups, what, progress)
    faces = Faces(
        taken["faces to age"],
        kept(taken["faces to age"], everyone[source]),
        taken["real faces"],
        taken["a gallery"],
        known_people=known,
    )
    if known:
        faces = replace(faces, calibration=calibration(config, faces, groups, seed, progress))
    if known and len(mates):
        found = taken["mates"]
        faces = replace(faces, mates=found, mates_who=kept(found, everyone[mates]))
    return replace(faces, truth=truth(dataset, source, faces, groups, progress))


def parted(
    rows: Rows, everyone: Rows, n: int, rng: np.random.Generator
) -> tuple[Rows, Rows, Rows, Rows]:
    """Divide rows by their people into faces to age, their mates, the reference, the gallery.

    Args:
        everyone: the person in each image of the whole.
    """
    order = rng.permutation(rows)
    people = list(dict.fromkeys(everyone[order].tolist()))
    mine = set(people[: min(n, -(-len(people) // 2))])
    ours = order[[person in mine for person in everyone[order].tolist()]]
    seen: dict[int, int] = {}
    turn = []
    for person in everyone[ours].tolist():
        turn.append(seen.get(person, 0))
        seen[person] = turn[-1] + 1
    ours = ours[np.argsort(turn, kind="stable")]  # everybody's first picture, then the second ...
    others = [person for person in people if person not in mine]
    first = set(others[::2])
    rest = order[[person not in mine for person in everyone[order].tolist()]]
    side = np.array([person in first for person in everyone[rest].tolist()], bool)
    return ours[:n], ours[n:], rest[side][:OTHERS], rest[~side][:OTHERS]


def kept(images: Images, people: Rows) -> Rows:
    """Return the people of the images that could be read."""
    return people if images.rows is None else people[images.rows.numpy()]


def decode(part: Dataset, groups: tuple[int, ...], what: str, progress: Progress) -> Images:
    """Decode a part of a data set, or find it in the cache."""
    config = part.config
    progress.start(f"preparing {what}")
    try:
        return prepare(
            part,
            size=config.size,
            channels=config.channels,
            groups=groups,
            progress=progress.advance,
            cache=cache_folder(),
        )
    finally:
        progress.stop()


def calibration(
    config: DataConfig, faces: Faces, groups: tuple[int, ...], seed: int, progress: Progress
) -> Images:
    """Return faces that thresholds are measured on: of the split `calibration`, or the gallery."""
    if "calibration" not in splits_of(config):
        return faces.gallery
    return calibrated(open_dataset(within(config, "calibration")), groups, seed, progress)


def calibrated(dataset: Dataset, groups: tuple[int, ...], seed: int, progress: Progress) -> Images:
    """Return faces of a data set that thresholds are measured on, chosen at random."""
    rows = np.random.default_rng(seed).permutation(dataset.table().length)[:CALIBRATION]
    return decode(Part(dataset, rows), groups, "the calibration", progress)


def truth(
    dataset: Dataset, source: Rows, faces: Faces, groups: tuple[int, ...], progress: Progress
) -> Images | None:
    """Return the faces drawn at the mean age of each group, where the data can."""
    if dataset.at_ages([], []) is None:
        return None
    ages = np.nan_to_num(faces.target_ages.numpy())
    drawn = Elsewhen(dataset, np.repeat(source, faces.groups), np.tile(ages, len(source)))
    return decode(drawn, groups, "the paired truth", progress)
