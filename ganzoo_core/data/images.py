"""A data set decoded once: uint8 pixels at one size, and what is known of each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ganzoo_core.data.groups import group_names, group_of
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import DataInfo, Dataset, Table, UnreadableImage

CHUNK = 32
"""Images a thread decodes at a time."""
Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True)
class Images:
    """N images in memory, ready to be gathered into batches."""

    pixels: Tensor
    """[N, C, S, S] uint8."""
    info: DataInfo
    label: Tensor | None = None
    age: Tensor | None = None
    identity: Tensor | None = None
    unreadable: tuple[str, ...] = ()
    """Images left out, ``index: reason``."""
    removed: tuple[tuple[str, int], ...] = ()
    """Filters of the data set and how many images each took."""

    def __len__(self) -> int:
        return len(self.pixels)

    def fields(self) -> tuple[str, ...]:
        """Return the `Batch` fields it can fill."""
        known = ("label", "age", "identity")
        return ("image", *(name for name in known if getattr(self, name) is not None))


def prepare(
    dataset: Dataset, *, size: int, channels: int = 3, groups: tuple[int, ...] = (),
    progress: Progress | None = None,
) -> Images:  # fmt: skip
    """Decode, crop to the centre square and resize every image, on all cores.

    Args:
        size: edge of the result in pixels.
        groups: age edges that turn ages into labels; without ages the data keep their own.

    Raises:
        DataError: no image can be read.
    """
    table = dataset.table()
    pixels = np.empty((table.length, size, size, channels), np.uint8)
    bad: dict[int, str] = {}
    for done, (index, image) in enumerate(decoded(dataset, table.length, size, channels), 1):
        if isinstance(image, str):
            bad[index] = image
        else:
            pixels[index] = image
        if progress:
            progress(done, table.length)
    if len(bad) == table.length:
        first = f", the first: {bad[0]}" if bad else ""
        raise DataError(f"{dataset.config.name or 'the data'}: no readable image{first}")
    keep = np.array([i not in bad for i in range(table.length)])
    return assemble(dataset, table, pixels, keep, bad, groups)


def decoded(
    dataset: Dataset, length: int, size: int, channels: int
) -> Iterator[tuple[int, NDArray[np.uint8] | str]]:
    """Yield (index, pixels [S, S, C] or the reason why not), in order, decoded on all cores."""

    def one(index: int) -> NDArray[np.uint8] | str:
        try:
            return fit(dataset.image(index), size, channels)
        except UnreadableImage as error:
            return str(error)

    def some(indices: range) -> list[NDArray[np.uint8] | str]:
        many = dataset.images(indices)
        if many is None:
            return [one(index) for index in indices]
        return [fit(image, size, channels) for image in many]

    chunks = [range(i, min(i + CHUNK, length)) for i in range(0, length, CHUNK)]
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for indices, found in zip(chunks, pool.map(some, chunks), strict=True):
            yield from zip(indices, found, strict=True)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the whole set


def fit(image: Image.Image | NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Return the centre square of an image as uint8 [size, size, channels], antialiased."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (size, size):
        edge = min(image.size)
        left, top = (image.width - edge) / 2, (image.height - edge) / 2
        box = (left, top, left + edge, top + edge)
        image = image.resize((size, size), Image.Resampling.BICUBIC, box, reducing_gap=3.0)
    return np.asarray(image).reshape(size, size, channels)


def assemble(
    dataset: Dataset, table: Table, pixels: NDArray[np.uint8], keep: NDArray[np.bool_],
    bad: dict[int, str], groups: tuple[int, ...],
) -> Images:  # fmt: skip
    """Put the readable images, their labels and the facts of the whole together."""
    pixels = pixels if keep.all() else pixels[keep]
    cut = {name: None if c is None else c[keep] for name, c in columns(table).items()}
    labels, classes = cut["label"], table.classes
    if groups and cut["age"] is not None:
        labels, classes = group_of(cut["age"], groups), group_names(groups)
    else:
        groups = ()
    tensors = {name: None if c is None else torch.from_numpy(c) for name, c in cut.items()}
    tensors["label"] = None if labels is None else torch.from_numpy(labels)
    info = DataInfo(
        name=dataset.config.name, license=dataset.license, version=dataset.version,
        images=len(pixels), groups=groups,
        size=pixels.shape[1], channels=pixels.shape[3], classes=classes,
        counts=tuple(int((labels == i).sum()) for i in range(len(classes))) if classes else (),
        mean_ages=mean_ages(cut["age"], labels, len(classes)),
        identities=0 if cut["identity"] is None else len(np.unique(cut["identity"])),
        fingerprint=fingerprint(pixels, labels, cut["age"], cut["identity"]),
    )  # fmt: skip
    nchw = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    unreadable = tuple(f"{index}: {why}" for index, why in sorted(bad.items()))
    return Images(nchw, info, **tensors, unreadable=unreadable, removed=table.removed)


def columns(table: Table) -> dict[str, NDArray[np.int64] | NDArray[np.float32] | None]:
    """Return the table's columns by their `Batch` field."""
    return {"label": table.labels, "age": table.ages, "identity": table.identities}


def mean_ages(
    ages: NDArray[np.float32] | None, labels: NDArray[np.int64] | None, classes: int
) -> tuple[float | None, ...]:
    """Return the mean age of each class in years, None for an empty one."""
    if ages is None or labels is None:
        return ()
    inside = [ages[labels == i] for i in range(classes)]
    return tuple(round(float(a.mean(dtype=np.float64)), 3) if len(a) else None for a in inside)


def fingerprint(pixels: NDArray[np.uint8], *facts: NDArray[np.int64] | NDArray[np.float32] | None) -> str:
    """Return the sha256 over shape, pixels and every known column."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    for part in (pixels, *facts):
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
            f"the model needs {lacking[0]!r} and {images.info.name or 'the data'} gives only {has}; "
            "choose other data with --data (`ganzoo list dataset` shows what each gives)"
        )


def renamed(images: Images, name: str) -> Images:
    """Return the images under another name."""
    return replace(images, info=replace(images.info, name=name))
