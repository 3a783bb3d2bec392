"""Whether a picture looks like the drawn ones that a model learned from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.config.base import parse
from ganzoo_core.config.tree import data_config_class
from ganzoo_core.data import decoded
from ganzoo_core.errors import GanzooError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.runs.data import open_dataset

DRAWN, EDGE, PARTS = 512, 16, 48
"""Pictures drawn to compare with, the edge of their thumbnails, principal components kept."""
SLACK = 1.15
"""A picture is strange when it is so much farther off than the farthest of those held back."""


def strangers(pixels: NDArray[np.uint8], info: DataInfo) -> NDArray[np.bool_]:
    """Tell which pictures [N, S, S, C] lie off the plane of what the training data draw, [N].

    Thumbnails of freshly drawn pictures span the plane; those held back say how far off is usual.
    Data that are not drawn cannot be had again, so nothing is strange to their models.
    """
    drawn = thumbnails_of(info) if info.version else None
    if drawn is None:
        return np.zeros(len(pixels), bool)
    fitted, held = drawn[: DRAWN * 3 // 4], drawn[DRAWN * 3 // 4 :]
    mean = fitted.mean(0)
    _, _, axes = np.linalg.svd(fitted - mean, full_matrices=False)

    def off(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        rest = rows - mean
        rest = rest - rest @ axes[:PARTS].T @ axes[:PARTS]
        return np.asarray(np.linalg.norm(rest, axis=1), np.float32)

    return np.asarray(off(thumbnails(pixels)) > SLACK * off(held).max(), bool)


def thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pictures [N, S, S, C] as flat thumbnails [N, D] of block means."""
    n, size, _, channels = pixels.shape
    edge = min(EDGE, size)
    block = size // edge
    cut = pixels[:, : edge * block, : edge * block].reshape(n, edge, block, edge, block, channels)
    return np.asarray(cut.mean((2, 4)).reshape(n, -1), np.float32)


def thumbnails_of(info: DataInfo) -> NDArray[np.float32] | None:
    """Draw pictures of the data anew; None where their plugin is gone or of another version."""
    try:
        cls = data_config_class(info.name)
        values = {"name": info.name, "size": info.size, "channels": info.channels, "count": DRAWN}
        dataset = open_dataset(parse(cls, values, "data"))
    except GanzooError:
        return None
    if dataset.version != info.version:
        return None
    rows = decoded(dataset, range(DRAWN), info.size, info.channels)
    pictures = [found for _, found in rows if not isinstance(found, str)]
    return thumbnails(np.stack(pictures))
