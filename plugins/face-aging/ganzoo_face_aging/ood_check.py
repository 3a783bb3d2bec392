"""Out-of-distribution check: whether a photograph resembles the rendered training data."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.config import data_config_class, parse
from ganzoo_core.data import iter_decoded
from ganzoo_core.errors import GanzooError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.training.open_data import open_dataset

NUM_REFERENCE, THUMBNAIL_SIZE, NUM_COMPONENTS = 512, 16, 48
"""Rendered images to compare with, the size of their thumbnails, principal components."""
_DISTANCE_TOLERANCE = 1.15
"""An image is out of distribution if its reconstruction error is larger than that of all held-out
renderings by this factor."""


def detect_ood(pixels: NDArray[np.uint8], info: DataInfo) -> NDArray[np.bool_]:
    """Return which images [N, S, S, C] are out of distribution for rendered training data, [N].

    Renders new images of the training data, fits PCA to thumbnails of them, and compares the
    reconstruction error of the images with that of held-out renderings. Photographs cannot be
    rendered again: for data without a renderer the result is all False.
    """
    facts = (info.name, info.version, info.image_size, info.num_channels)
    reference = _reference_thumbnails(*facts) if info.version else None
    if reference is None:
        return np.zeros(len(pixels), bool)
    fit_rows, held_out_rows = (
        reference[: NUM_REFERENCE * 3 // 4],
        reference[NUM_REFERENCE * 3 // 4 :],
    )
    mean = fit_rows.mean(0)
    _, _, axes = np.linalg.svd(fit_rows - mean, full_matrices=False)

    def reconstruction_error(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        residual = rows - mean
        residual = residual - residual @ axes[:NUM_COMPONENTS].T @ axes[:NUM_COMPONENTS]
        return np.asarray(np.linalg.norm(residual, axis=1), np.float32)

    return np.asarray(
        reconstruction_error(_thumbnails(pixels))
        > _DISTANCE_TOLERANCE * reconstruction_error(held_out_rows).max(),
        bool,
    )


def _thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images [N, S, S, C] as flat thumbnails [N, D] of block means."""
    n, size, _, channels = pixels.shape
    edge = min(THUMBNAIL_SIZE, size)
    block = size // edge
    blocks = pixels[:, : edge * block, : edge * block].reshape(
        n, edge, block, edge, block, channels
    )
    return np.asarray(blocks.mean((2, 4)).reshape(n, -1), np.float32)


@lru_cache(maxsize=4)
def _reference_thumbnails(
    name: str, version: str, image_size: int, num_channels: int
) -> NDArray[np.float32] | None:
    """Render new images of the data; None if its plugin is missing or has another version."""
    try:
        cls = data_config_class(name)
        values = {
            "name": name,
            "image_size": image_size,
            "num_channels": num_channels,
            "count": NUM_REFERENCE,
        }
        dataset = open_dataset(parse(cls, values, "data"))
    except GanzooError:
        return None
    if dataset.version != version:
        return None
    rows = iter_decoded(dataset, range(NUM_REFERENCE), image_size, num_channels)
    images = [found for _, found in rows if not isinstance(found, str)]
    return _thumbnails(np.stack(images))
