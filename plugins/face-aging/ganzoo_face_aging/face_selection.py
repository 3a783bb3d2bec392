"""The data of the aging benchmark: unseen people, split by identity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.config import DataConfig, available_splits, with_split
from ganzoo_core.data import PackedImages, default_cache_dir, pack_images
from ganzoo_core.data.splits import split_mask
from ganzoo_core.data.subset import Subset
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Dataset
from ganzoo_core.metrics.image_sets import TEST_FRACTION
from ganzoo_core.report import Progress
from ganzoo_core.training.open_data import open_dataset
from ganzoo_face_aging.benchmark_data import AgingBenchmarkData
from ganzoo_face_aging.rendered_truth import AgeShiftedSubset, renders_ages

DEFAULT_NUM_FACES = 500
"""Default number of faces to age."""
MAX_REFERENCE_FACES, MAX_CALIBRATION_FACES = 1200, 1000
"""Pictures at most of the reference, of the gallery; and of the calibration."""
_RowIndices = NDArray[np.int64]


def test_split_config(config: DataConfig) -> DataConfig:
    """Return the options of the test split; unchanged for data without one."""
    return with_split(config, "test") if "test" in available_splits(config) else config


def select_faces(
    dataset: Dataset, age_bins: tuple[int, ...], num_faces: int, seed: int, progress: Progress
) -> AgingBenchmarkData:
    """Select and decode the faces of the benchmark; other images are not decoded.

    Args:
        dataset: the test split.
        age_bins: inclusive upper edges of the age groups.
        num_faces: faces to age, at most.
        seed: of the selection.
        progress: shows the decoding.

    Raises:
        DataError: no ages, or too few faces.
    """
    config, table = dataset.config, dataset.metadata()
    if table.ages is None:
        raise DataError(
            f"--data: {config.name or 'the data'} has no ages, which the aging benchmark needs: "
            "name other data"
        )
    has_identities = table.identities is not None
    identities = np.arange(table.length) if table.identities is None else table.identities
    rows = np.arange(table.length)
    if "test" not in available_splits(config):
        rows = np.flatnonzero(split_mask(identities.tolist(), "test", TEST_FRACTION))
    source, same_identity, reference, gallery = partition_by_identity(
        rows, identities, num_faces, np.random.default_rng(seed)
    )
    if min(map(len, (source, reference, gallery))) == 0:
        raise DataError(
            f"{config.name}: {len(rows)} unseen faces are too few to age and to compare with: give "
            "more data"
        )
    decoded: dict[str, PackedImages] = {}
    sides = {
        "faces to age": source,
        "real faces": reference,
        "the gallery": gallery,
        "photos of the same people": same_identity,
    }
    for side_name, side_rows in sides.items():
        if len(side_rows):
            decoded[side_name] = _decode(Subset(dataset, side_rows), age_bins, side_name, progress)
    faces = AgingBenchmarkData(
        decoded["faces to age"],
        _rows_of_decoded(decoded["faces to age"], identities[source]),
        decoded["real faces"],
        decoded["the gallery"],
        has_identities=has_identities,
        rows={name: _rows_of_decoded(images, sides[name]) for name, images in decoded.items()},
    )
    if has_identities:
        faces = replace(
            faces, calibration=_load_calibration(config, faces, age_bins, seed, progress)
        )
    if has_identities and len(same_identity):
        same_identity_images = decoded["photos of the same people"]
        faces = replace(
            faces,
            same_person_images=same_identity_images,
            same_person_ids=_rows_of_decoded(same_identity_images, identities[same_identity]),
        )
    return replace(
        faces, paired_images=_render_paired_truth(dataset, source, faces, age_bins, progress)
    )


def partition_by_identity(
    rows: _RowIndices, identities: _RowIndices, num_faces: int, rng: np.random.Generator
) -> tuple[_RowIndices, _RowIndices, _RowIndices, _RowIndices]:
    """Split rows by person into faces to age, further photos of these people, the reference and
    the gallery.

    Args:
        rows: row indices of the unseen images.
        identities: of all images of the data set.
        num_faces: faces to age, at most.
        rng: of the selection.
    """
    order = rng.permutation(rows)
    people = list(dict.fromkeys(identities[order].tolist()))
    source_people = set(people[: min(num_faces, -(-len(people) // 2))])
    source_rows = order[[person in source_people for person in identities[order].tolist()]]
    counts: dict[int, int] = {}
    occurrence = []
    for person in identities[source_rows].tolist():
        occurrence.append(counts.get(person, 0))
        counts[person] = occurrence[-1] + 1
    # the first image of each person, then the second of each, ...
    source_rows = source_rows[np.argsort(occurrence, kind="stable")]
    others = [person for person in people if person not in source_people]
    reference_people = set(others[::2])
    rest = order[[person not in source_people for person in identities[order].tolist()]]
    is_reference = np.array(
        [person in reference_people for person in identities[rest].tolist()], bool
    )
    return (
        source_rows[:num_faces],
        source_rows[num_faces:],
        rest[is_reference][:MAX_REFERENCE_FACES],
        rest[~is_reference][:MAX_REFERENCE_FACES],
    )


def _rows_of_decoded(images: PackedImages, values: _RowIndices) -> _RowIndices:
    """Return the values of the images that could be decoded."""
    return values if images.row_indices is None else values[images.row_indices.numpy()]


def _decode(
    subset: Dataset, age_bins: tuple[int, ...], name: str, progress: Progress
) -> PackedImages:
    config = subset.config
    progress.start(f"preparing {name}")
    try:
        return pack_images(
            subset,
            image_size=config.image_size,
            num_channels=config.num_channels,
            age_bins=age_bins,
            progress=progress.advance,
            cache_dir=default_cache_dir(),
        )
    finally:
        progress.stop()


def _load_calibration(
    config: DataConfig,
    faces: AgingBenchmarkData,
    age_bins: tuple[int, ...],
    seed: int,
    progress: Progress,
) -> PackedImages:
    """Return the calibration faces: of the split `calibration`, else the gallery."""
    if "calibration" not in available_splits(config):
        return faces.gallery
    return sample_calibration(
        open_dataset(with_split(config, "calibration")), age_bins, seed, progress
    )


def sample_calibration(
    dataset: Dataset, age_bins: tuple[int, ...], seed: int, progress: Progress
) -> PackedImages:
    """Return random calibration faces of a data set."""
    rows = np.random.default_rng(seed).permutation(dataset.metadata().length)[
        :MAX_CALIBRATION_FACES
    ]
    return _decode(Subset(dataset, rows), age_bins, "the calibration", progress)


def _render_paired_truth(
    dataset: Dataset,
    source: _RowIndices,
    faces: AgingBenchmarkData,
    age_bins: tuple[int, ...],
    progress: Progress,
) -> PackedImages | None:
    """Return each face rendered at the mean age of each group; None for data without a renderer."""
    if not renders_ages(dataset):
        return None
    ages = np.nan_to_num(faces.target_ages.numpy())
    rendered = AgeShiftedSubset(
        dataset, np.repeat(source, faces.num_groups), np.tile(ages, len(source))
    )
    return _decode(rendered, age_bins, "the paired target", progress)
