"""A data set decoded once: uint8 pixels at one size, and what is known of each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo_core.data.groups import group_names, group_of
from ganzoo_core.data.store import Pixels, packed
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import DataInfo, Dataset, Table, printable

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True)
class Images:
    """N images in memory or mapped from a store, ready to be gathered into batches."""

    pixels: Tensor
    """[M, C, S, S] uint8, a channels_last view; row `rows[i]` is image i."""
    info: DataInfo
    rows: Tensor | None = None
    """[N] int64, where some of the M could not be read; None for all in order."""
    label: Tensor | None = None
    age: Tensor | None = None
    identity: Tensor | None = None
    unreadable: tuple[str, ...] = ()
    """Images left out, ``name: reason``."""
    cut_from: tuple[str, ...] = ()
    """Fingerprints of the larger sets that these are a part of."""
    removed: tuple[tuple[str, int], ...] = ()
    """Filters of the data set, then reasons why pictures could not be read, and how many images
    each took."""

    def __len__(self) -> int:
        return len(self.pixels if self.rows is None else self.rows)

    def gather(self, which: Tensor) -> Tensor:
        """Return images [n, C, S, S] uint8, channels_last, of indices [n] below N.

        By numpy, which takes no thread of torch's own: a prefetch thread calls it.
        """
        rows = which if self.rows is None else self.rows[which]
        taken = self.pixels.permute(0, 2, 3, 1).numpy().take(rows.numpy(), axis=0)
        return torch.from_numpy(taken).permute(0, 3, 1, 2)

    def fields(self) -> tuple[str, ...]:
        """Return the `Batch` fields it can fill."""
        known = ("label", "age", "identity")
        return ("image", *(name for name in known if getattr(self, name) is not None))


def prepare(
    dataset: Dataset,
    *,
    size: int,
    channels: int = 3,
    groups: tuple[int, ...] = (),
    progress: Progress | None = None,
    cache: Path | None = None,
) -> Images:
    """Decode, crop to the centre square and resize every image, on all cores.

    Args:
        size: edge of the result in pixels.
        groups: age edges that turn ages into labels; without ages the data keep their own.
        cache: the folder of stores; None to decode into memory.

    Raises:
        DataError: no image can be read. OutputError: the cache cannot be written.
    """
    table = dataset.table()
    check(dataset, table)
    pixels = packed(dataset, table.length, size, channels, progress=progress, cache=cache)
    if len(pixels.bad) == table.length:
        first = f", the first: {pixels.bad[0]}" if pixels.bad else ""
        raise DataError(f"{dataset.config.name or 'the data'}: no readable image{first}")
    return assemble(dataset, table, pixels, groups)


def check(dataset: Dataset, table: Table) -> None:
    """Refuse a table that contradicts itself, before an age of NaN counts as the oldest group.

    Raises:
        DataError: names the column.
    """
    name = dataset.config.name or "the data"
    for column, values in columns(table).items():
        if values is not None and len(values) != table.length:
            raise DataError(f"{name}: {len(values)} of {column!r} for {table.length} images")
    if table.ages is not None and not np.isfinite(table.ages).all():
        raise DataError(f"{name}: an age is not a number; leave such images out")
    labels = table.labels
    if (
        labels is not None
        and len(labels)
        and not 0 <= labels.min() <= labels.max() < len(table.classes)
    ):
        raise DataError(
            f"{name}: labels run from {labels.min()} to {labels.max()}, "
            f"and there are {len(table.classes)} classes"
        )


def assemble(dataset: Dataset, table: Table, pixels: Pixels, groups: tuple[int, ...]) -> Images:
    """Put the readable images, their labels and the facts of the whole together."""
    keep = np.array([i for i in range(table.length) if i not in pixels.bad])
    known = {name: None if c is None else c[keep] for name, c in columns(table).items()}
    classes, ages = table.classes, known["age"]
    if groups and ages is not None:
        known["label"], classes = group_of(ages, groups), group_names(groups)
    else:
        groups = ()
    labels, identities = known["label"], known["identity"]
    info = DataInfo(
        name=dataset.config.name,
        license=dataset.license,
        version=dataset.version,
        split=str(getattr(dataset.config, "split", "")),
        images=len(keep),
        groups=groups,
        crop=geometry(dataset),
        size=pixels.array.shape[1],
        channels=pixels.array.shape[3],
        classes=classes,
        counts=() if labels is None else counted(labels, len(classes)),
        mean_ages=mean_ages(ages, labels, len(classes)),
        identities=0 if identities is None else len(np.unique(identities)),
        fingerprint=fingerprint(pixels.sha256, *known.values()),
    )
    return Images(
        torch.from_numpy(pixels.array).permute(0, 3, 1, 2),
        info,
        rows=torch.from_numpy(keep) if pixels.bad else None,
        unreadable=tuple(
            f"{printable(dataset.describe(i))}: {why}" for i, why in sorted(pixels.bad.items())
        ),
        removed=(*table.removed, *reasons(pixels.bad).items()),
        **tensors(numbered(known)),
    )


def reasons(bad: dict[int, str]) -> Counter[str]:
    """Return how many pictures could not be read for each reason, which ends at its first colon."""
    return Counter(why.partition(":")[0] for _, why in sorted(bad.items()))


def numbered(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns with people numbered from 0, so that a classifier can tell them apart."""
    people = known["identity"]
    if people is None:
        return dict(known)
    return {**known, "identity": np.unique(people, return_inverse=True)[1].astype(np.int64)}


def counted(labels: NDArray[Any], classes: int) -> tuple[int, ...]:
    """Return how many images each class has."""
    return tuple(np.bincount(labels, minlength=classes).tolist())


def geometry(dataset: Dataset) -> dict[str, Any] | None:
    """Return the crop geometry that faces were aligned with, for the weights to record."""
    if not dataset.config.align:
        return None
    from ganzoo_core.data.faces import CropGeometry

    return CropGeometry().to_json()


def columns(table: Table) -> dict[str, NDArray[np.int64] | NDArray[np.float32] | None]:
    """Return the table's columns by their `Batch` field."""
    return {"label": table.labels, "age": table.ages, "identity": table.identities}


def tensors(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns as tensors."""
    return {name: None if c is None else torch.from_numpy(c) for name, c in known.items()}


def mean_ages(
    ages: NDArray[np.float32] | None, labels: NDArray[np.int64] | None, classes: int
) -> tuple[float | None, ...]:
    """Return the mean age of each class in years, None for an empty one."""
    if ages is None or labels is None:
        return ()
    inside = [ages[labels == i] for i in range(classes)]
    return tuple(round(float(a.mean(dtype=np.float64)), 3) if len(a) else None for a in inside)


def fingerprint(pixels: str, *facts: NDArray[Any] | None) -> str:
    """Return the sha256 over the pixels' own and every known column."""
    digest = hashlib.sha256(pixels.encode())
    for part in facts:
        digest.update(b"none" if part is None else np.ascontiguousarray(part).data)
    return digest.hexdigest()


def require(images: Images, fields: tuple[str, ...]) -> None:
    """Refuse data that lack a field that a stage reads.

    Raises:
        DataError: names the field and what the data do have.
    """
    lacking = [name for name in fields if name not in images.fields()]
    if lacking:
        has = ", ".join(images.fields())
        raise DataError(
            f"the model needs {lacking[0]!r} and {images.info.name or 'the data'} gives only {has};"
            " choose other data with --data (`ganzoo list dataset` shows what each gives)"
        )


def renamed(images: Images, name: str) -> Images:
    """Return the images under another name."""
    return replace(images, info=replace(images.info, name=name))
