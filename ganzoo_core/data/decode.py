"""Decode, crop and resize: from a data set to uint8 squares, on all cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.interfaces import Dataset, UnreadableImage

CHUNK = 32
"""Images a thread decodes at a time."""
AHEAD = 2
"""Such portions for each thread that may wait to be taken, so that memory stays flat."""
UNREADABLE = (UnreadableImage, OSError, SyntaxError, Image.DecompressionBombError)
"""What a damaged picture raises: PIL decodes late, so also after the data set handed it over."""


def cores() -> int:
    """Return the cores this process may use, which in a container are fewer than the machine's."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def decoded(
    dataset: Dataset, rows: Sequence[int], size: int, channels: int
) -> Iterator[tuple[int, NDArray[np.uint8] | str]]:
    """Yield (index, pixels [S, S, C] or the reason why not) of some rows, in order.

    Only a few portions are decoded ahead of the reader, however large the data set.
    """

    def one(index: int) -> NDArray[np.uint8] | str:
        try:
            image = dataset.image(index)
            if dataset.config.align:
                image = aligned(image, size, dataset.eyes)
            return fit(image, size, channels)
        except UNREADABLE as error:
            return str(error) or type(error).__name__

    def some(indices: Sequence[int]) -> list[NDArray[np.uint8] | str]:
        many = dataset.images(indices)
        if many is None or dataset.config.align:
            return [one(index) for index in indices]
        return [fit(image, size, channels) for image in many]

    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    pool = ThreadPoolExecutor(cores())
    waiting: deque[tuple[Sequence[int], Future[list[NDArray[np.uint8] | str]]]] = deque()
    try:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(some, chunk)))
            if len(waiting) > AHEAD * cores():
                yield from taken(*waiting.popleft())
        while waiting:
            yield from taken(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the whole set


def taken(
    indices: Sequence[int], found: Future[list[NDArray[np.uint8] | str]]
) -> Iterator[tuple[int, NDArray[np.uint8] | str]]:
    """Yield what became of one portion."""
    return zip(indices, found.result(), strict=True)


def aligned(
    image: Image.Image | NDArray[np.uint8], size: int, eyes: Sequence[Sequence[float]] | None
) -> NDArray[np.uint8]:
    """Return the face of a photograph, its eyes level, as uint8 [size, size, 3].

    Args:
        eyes: where they lie, in fractions of the edge; None to look for them.

    Raises:
        UnreadableImage: there is no face, or no single one.
    """
    from ganzoo_core.data.faces import NoFace, align, realign

    if eyes is not None:
        return realign(image, eyes, size=size)
    found = align(image, size=size)
    if isinstance(found, NoFace):
        raise UnreadableImage(found.reason)
    return found.pixels


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
