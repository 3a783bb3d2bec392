"""Decode, transform, crop and resize the images of a data set to uint8 squares, on all cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganzoo_core.data.transforms import find_transform
from ganzoo_core.interfaces import Dataset, UnreadableImage

CHUNK_SIZE = 32
"""Images that a thread decodes at a time."""
PREFETCH_CHUNKS_PER_THREAD = 2
"""Decoded chunks per thread that may wait for the consumer: this bounds the memory."""
_DECODE_ERRORS = (UnreadableImage, OSError, SyntaxError, Image.DecompressionBombError)
"""Errors of damaged images. PIL decodes lazily, so they occur after `load_image` too."""


def available_cpu_count() -> int:
    """Return the number of cores of this process; a container may have fewer than the machine."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def iter_decoded(
    dataset: Dataset, indices: Sequence[int], image_size: int, num_channels: int
) -> Iterator[tuple[int, NDArray[np.uint8] | str]]:
    """Yield (index, pixels [S, S, C] or the reason of a failure) for some rows, in order.

    Only a few chunks are decoded ahead of the consumer.
    """

    transform = find_transform(dataset.config)

    def decode_one(index: int) -> NDArray[np.uint8] | str:
        try:
            image = dataset.load_image(index)
            if transform is not None:
                image = transform(image, dataset.keypoints(index), image_size)
            return center_crop_resize(image, image_size, num_channels)
        except _DECODE_ERRORS as error:
            return str(error) or type(error).__name__

    def decode_chunk(indices: Sequence[int]) -> list[NDArray[np.uint8] | str]:
        batch_images = dataset.load_images(indices)
        if batch_images is None or transform is not None:
            return [decode_one(index) for index in indices]
        return [center_crop_resize(image, image_size, num_channels) for image in batch_images]

    chunks = [indices[start : start + CHUNK_SIZE] for start in range(0, len(indices), CHUNK_SIZE)]
    pool = ThreadPoolExecutor(available_cpu_count())
    waiting: deque[tuple[Sequence[int], Future[list[NDArray[np.uint8] | str]]]] = deque()
    try:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(decode_chunk, chunk)))
            if len(waiting) > PREFETCH_CHUNKS_PER_THREAD * available_cpu_count():
                yield from _zip_chunk_results(*waiting.popleft())
        while waiting:
            yield from _zip_chunk_results(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)  # so that Ctrl-C stops at once


def _zip_chunk_results(
    indices: Sequence[int], future: Future[list[NDArray[np.uint8] | str]]
) -> Iterator[tuple[int, NDArray[np.uint8] | str]]:
    return zip(indices, future.result(), strict=True)


def center_crop_resize(
    image: Image.Image | NDArray[np.uint8], image_size: int, num_channels: int
) -> NDArray[np.uint8]:
    """Return the center square as uint8 [image_size, image_size, num_channels], antialiased."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image = image.convert("L" if num_channels == 1 else "RGB")
    if image.size != (image_size, image_size):
        short_edge = min(image.size)
        left, top = (image.width - short_edge) / 2, (image.height - short_edge) / 2
        box = (left, top, left + short_edge, top + short_edge)
        image = image.resize(
            (image_size, image_size), Image.Resampling.BICUBIC, box, reducing_gap=3.0
        )
    return np.asarray(image).reshape(image_size, image_size, num_channels)
