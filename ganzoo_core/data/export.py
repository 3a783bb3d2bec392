"""Write a data set out as plain files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganzoo_core.data.decode import decoded
from ganzoo_core.data.images import columns
from ganzoo_core.interfaces import Dataset

TABLE = "labels.csv"


def write_jpeg(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write uint8 [H, W] or [H, W, 3]. Pillow's own file writing passes over a full disk.

    Raises:
        OSError: the file cannot be written.
    """
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="JPEG", quality=92)
    path.write_bytes(out.getvalue())


def write_folder(dataset: Dataset, out: Path, progress: Callable[[int, int], None]) -> None:
    """Write ``000000.jpg`` and so on, and labels.csv with what is known of each.

    Raises:
        OSError: the folder cannot be written.
    """
    table = dataset.table()
    known = {name: column for name, column in columns(table).items() if column is not None}
    with (out / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *known])
        rows, config = range(table.length), dataset.config
        for index, pixels in decoded(dataset, rows, config.size, config.channels):
            progress(index + 1, table.length)
            if isinstance(pixels, str):
                continue  # unreadable: it gets no row
            path = f"{index:06d}.jpg"
            write_jpeg(pixels.squeeze(), out / path)
            row = [column[index] for column in known.values()]
            writer.writerow(
                [path, *(f"{value:.2f}" if value.dtype.kind == "f" else value for value in row)]
            )
