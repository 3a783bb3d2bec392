"""Write a data set as plain files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.parallel_decode import iter_decoded
from ganzoo_core.interfaces import Dataset


def write_jpeg(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write uint8 [H, W] or [H, W, 3].

    The file is encoded in memory first, since Pillow's own writing ignores a full disk.

    Raises:
        OSError: the file cannot be written.
    """
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="JPEG", quality=92)
    path.write_bytes(out.getvalue())


def write_image_folder(dataset: Dataset, out: Path, progress: Callable[[int, int], None]) -> None:
    """Write ``000000.jpg`` and so on, and labels.csv with the metadata of each image.

    Raises:
        OSError: the folder cannot be written.
    """
    metadata = dataset.metadata()
    annotations = {name: column for name, column in metadata.columns.items() if column is not None}
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *annotations])
        rows, config = range(metadata.length), dataset.config
        for index, pixels in iter_decoded(dataset, rows, config.image_size, config.num_channels):
            progress(index + 1, metadata.length)
            if isinstance(pixels, str):
                continue  # unreadable images get no row
            path = f"{index:06d}.jpg"
            write_jpeg(pixels.squeeze(), out / path)
            row = [column[index] for column in annotations.values()]
            writer.writerow(
                [path, *(f"{value:.2f}" if value.dtype.kind == "f" else value for value in row)]
            )
