"""A data set decoded once: uint8 pixels of one size, with labels, ages and identities."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.data.age_bins import age_bin_names, assign_age_bins
from ganzoo_core.data.image_hashes import hash_images
from ganzoo_core.data.store import DecodedPixels, StoredPixels, open_or_build_store
from ganzoo_core.data.transforms import find_transform, transform_record
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import DataInfo, Dataset, Metadata, escape_unprintable

_ProgressCallback = Callable[[int, int], None]
"""Called with (done, total)."""
_Columns = dict[str, Any]
"""An array [N] or None by the name of a `Batch` field: label, age, identity."""


@dataclass(frozen=True)
class PackedImages:
    """N images in memory or in a store."""

    storage: Tensor | StoredPixels
    """[M, C, S, S] uint8, a channels_last view, or the M rows of a store; image i is row
    `row_indices[i]`."""
    info: DataInfo
    row_indices: Tensor | None = None
    """[N] int64 if some rows are unreadable; None for all rows in order."""
    label: Tensor | None = None
    age: Tensor | None = None
    identity: Tensor | None = None
    unreadable: tuple[str, ...] = ()
    """Unreadable images as ``name: reason``; they are not among the N."""
    parent_fingerprints: tuple[str, ...] = ()
    """Fingerprints of the data sets that these images are a subset of."""
    removed: tuple[tuple[str, int], ...] = ()
    """(reason, count) of removed images: the filters of the data set, then the reasons why images
    could not be read."""
    row_hashes: Tensor | None = None
    """[M] int64, the hash of each row of `pixels` where a store has it."""

    def __len__(self) -> int:
        return self.shape[0] if self.row_indices is None else len(self.row_indices)

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, C, S, S) of all rows."""
        if isinstance(self.storage, Tensor):
            return tuple(self.storage.shape)
        length, height, width, channels = self.storage.shape
        return (length, channels, height, width)

    @property
    def pixels(self) -> Tensor:
        """All rows, [M, C, S, S] uint8, a channels_last view. Those of a store are read into
        memory each time: use `gather` for batches."""
        if isinstance(self.storage, Tensor):
            return self.storage
        return torch.from_numpy(self.storage.take_all()).permute(0, 3, 1, 2)

    def gather(self, indices: Tensor) -> Tensor:
        """Return images [n, C, S, S] uint8, channels_last, by indices [n] below N.

        By numpy, which starts no threads of torch: a prefetch thread calls this.

        Raises:
            DataError: the store was damaged or truncated.
        """
        rows = (indices if self.row_indices is None else self.row_indices[indices]).numpy()
        if isinstance(self.storage, StoredPixels):
            taken = self.storage.take(rows)
        else:
            taken = self.storage.permute(0, 2, 3, 1).numpy().take(rows, axis=0)
        return torch.from_numpy(taken).permute(0, 3, 1, 2)

    def image_hashes(self) -> Tensor:
        """Return [N] int64, the hash of the pixels of each image, see `hash_images`."""
        rows = torch.arange(self.shape[0]) if self.row_indices is None else self.row_indices
        if self.row_hashes is not None:
            return self.row_hashes[rows]
        return torch.from_numpy(hash_images(self.pixels.permute(0, 2, 3, 1).numpy(), rows.tolist()))

    def available_fields(self) -> tuple[str, ...]:
        """Return the `Batch` fields that these images have."""
        known = ("label", "age", "identity")
        return ("image", *(name for name in known if getattr(self, name) is not None))


def pack_images(
    dataset: Dataset,
    *,
    image_size: int,
    num_channels: int = 3,
    age_bins: tuple[int, ...] = (),
    progress: _ProgressCallback | None = None,
    cache_dir: Path | None = None,
) -> PackedImages:
    """Decode every image, transform it, crop the center square and resize it, on all cores.

    Args:
        dataset: the images and their metadata.
        image_size: edge of the result in pixels.
        num_channels: 1 for grayscale, 3 for RGB.
        age_bins: upper edges that turn ages into labels; without ages the data keep their labels.
        progress: called with (done, total).
        cache_dir: the folder of stores; None to decode into memory.

    Raises:
        DataError: no image can be read. OutputError: the cache cannot be written.
    """
    metadata = dataset.metadata()
    _check_metadata(dataset, metadata)
    pixels = open_or_build_store(
        dataset, metadata.length, image_size, num_channels, progress=progress, cache_dir=cache_dir
    )
    if len(pixels.unreadable) == metadata.length:
        first = f", the first: {pixels.unreadable[0]}" if pixels.unreadable else ""
        raise DataError(f"{dataset.config.name or 'the data'}: no readable image{first}")
    return _build_packed_images(dataset, metadata, pixels, age_bins)


def _check_metadata(dataset: Dataset, metadata: Metadata) -> None:
    """Raise a DataError for inconsistent metadata. A NaN would be in the oldest age bin."""
    name = dataset.config.name or "the data"
    for column, values in metadata.columns.items():
        if values is not None and len(values) != metadata.length:
            raise DataError(
                f"{name}: {len(values)} values of {column!r} for {metadata.length} images"
            )
    if metadata.ages is not None and not np.isfinite(metadata.ages).all():
        raise DataError(f"{name}: an age is not a number; remove such images")
    labels = metadata.labels
    if (
        labels is not None
        and len(labels)
        and not 0 <= labels.min() <= labels.max() < len(metadata.class_names)
    ):
        raise DataError(
            f"{name}: labels from {labels.min()} to {labels.max()} "
            f"for {len(metadata.class_names)} classes"
        )


def expected_info(dataset: Dataset, age_bins: tuple[int, ...]) -> tuple[DataInfo, tuple[str, ...]]:
    """Return the facts of a data set and its `Batch` fields before any image is decoded, as if
    every image could be read; the fingerprint is empty.

    Raises:
        DataError: inconsistent metadata.
    """
    metadata = dataset.metadata()
    _check_metadata(dataset, metadata)
    columns, age_bins, class_names = _label_columns(metadata, metadata.columns, age_bins)
    info = _describe(dataset, metadata.length, columns, age_bins, class_names)
    return info, ("image", *(name for name, column in columns.items() if column is not None))


def assumed_info(
    fields: Collection[str] | None,
    class_names: tuple[str, ...],
    age_bins: tuple[int, ...],
    **facts: Any,
) -> DataInfo:
    """Return the facts of data that are not on this machine: one image of each class, and
    `num_images` is 0.

    Args:
        fields: of the spec of the data set; None for all fields.
        class_names: of its labels.
        age_bins: upper edges that turn ages into labels, if the fields have ages.
        facts: fields of `DataInfo`.
    """
    if age_bins and (fields is None or "age" in fields):
        class_names = age_bin_names(age_bins)
    else:
        age_bins = ()
    return DataInfo(
        class_names=class_names,
        age_bins=age_bins,
        class_counts=(1,) * len(class_names),
        class_mean_ages=(40.0,) * len(class_names),
        **facts,
    )


def _build_packed_images(
    dataset: Dataset, metadata: Metadata, pixels: DecodedPixels, age_bins: tuple[int, ...]
) -> PackedImages:
    keep = np.array([i for i in range(metadata.length) if i not in pixels.unreadable])
    columns: _Columns = {
        name: None if c is None else c[keep] for name, c in metadata.columns.items()
    }
    columns, age_bins, class_names = _label_columns(metadata, columns, age_bins)
    info = replace(
        _describe(dataset, len(keep), columns, age_bins, class_names),
        image_size=pixels.rows.shape[1],
        num_channels=pixels.rows.shape[3],
        fingerprint=_dataset_fingerprint(pixels.sha256, *columns.values()),
    )
    if (identities := columns["identity"]) is not None:  # from 0, as a classifier needs them
        columns["identity"] = np.unique(identities, return_inverse=True)[1].astype(np.int64)
    tensors: dict[str, Any] = {
        name: None if c is None else torch.from_numpy(c) for name, c in columns.items()
    }
    # the part before the first colon is the kind of failure
    reasons = Counter(why.partition(":")[0] for _, why in sorted(pixels.unreadable.items()))
    rows = pixels.rows
    return PackedImages(
        rows if isinstance(rows, StoredPixels) else torch.from_numpy(rows).permute(0, 3, 1, 2),
        info,
        row_indices=torch.from_numpy(keep) if pixels.unreadable else None,
        unreadable=tuple(
            f"{escape_unprintable(dataset.sample_name(i))}: {why}"
            for i, why in sorted(pixels.unreadable.items())
        ),
        removed=(*metadata.removed, *reasons.items()),
        row_hashes=None if pixels.hashes is None else torch.from_numpy(pixels.hashes),
        **tensors,
    )


def _label_columns(
    metadata: Metadata, columns: _Columns, age_bins: tuple[int, ...]
) -> tuple[_Columns, tuple[int, ...], tuple[str, ...]]:
    """Return the columns, the age bins and the class names: labels are age bins if there are ages
    and edges."""
    ages = columns["age"]
    if not age_bins or ages is None:
        return columns, (), metadata.class_names
    return {**columns, "label": assign_age_bins(ages, age_bins)}, age_bins, age_bin_names(age_bins)


def _describe(
    dataset: Dataset,
    num_images: int,
    columns: _Columns,
    age_bins: tuple[int, ...],
    class_names: tuple[str, ...],
) -> DataInfo:
    """Return the facts of images with these columns at the size of the options."""
    config, labels, identities = dataset.config, columns["label"], columns["identity"]
    class_counts = (
        () if labels is None else np.bincount(labels, minlength=len(class_names)).tolist()
    )
    return DataInfo(
        name=config.name,
        license=dataset.license,
        version=dataset.version,
        split=str(getattr(config, "split", "")),
        num_images=num_images,
        age_bins=age_bins,
        crop=transform_record(config, find_transform(config)),
        image_size=config.image_size,
        num_channels=config.num_channels,
        class_names=class_names,
        class_counts=tuple(class_counts),
        class_mean_ages=_mean_age_per_class(columns["age"], labels, len(class_names)),
        age_range=_age_range(columns["age"]),
        num_identities=0 if identities is None else len(np.unique(identities)),
    )


def _mean_age_per_class(
    ages: NDArray[np.float32] | None, labels: NDArray[np.int64] | None, num_classes: int
) -> tuple[float | None, ...]:
    """Return the mean age of each class in years, None for an empty one."""
    if ages is None or labels is None:
        return ()
    inside = [ages[labels == i] for i in range(num_classes)]
    return tuple(round(float(a.mean(dtype=np.float64)), 3) if len(a) else None for a in inside)


def _age_range(ages: NDArray[np.float32] | None) -> tuple[float, ...]:
    """Return the lowest and the highest age in years; empty without ages."""
    if ages is None or not len(ages):
        return ()
    return round(float(ages.min()), 3), round(float(ages.max()), 3)


def _dataset_fingerprint(pixels_sha256: str, *annotations: NDArray[Any] | None) -> str:
    """Return the sha256 over that of the pixels and every column."""
    digest = hashlib.sha256(pixels_sha256.encode())
    for part in annotations:
        digest.update(b"none" if part is None else np.ascontiguousarray(part).data)
    return digest.hexdigest()


def require_fields(images: PackedImages, fields: tuple[str, ...]) -> None:
    """Check that data have the fields that a stage needs.

    Raises:
        DataError: a field is missing; the message names it and the available fields.
    """
    missing = [name for name in fields if name not in images.available_fields()]
    if missing:
        has = ", ".join(images.available_fields())
        raise DataError(
            f"the model needs {missing[0]!r} and {images.info.name or 'the data'} has only {has};"
            " choose other data with --data (`ganzoo list dataset` lists the fields)"
        )


def with_name(images: PackedImages, name: str) -> PackedImages:
    """Return the images under another name."""
    return replace(images, info=replace(images.info, name=name))
