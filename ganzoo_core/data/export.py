"""Write a data set out as plain files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from ganzoo_core.data.decode import decoded
from ganzoo_core.data.images import columns
from ganzoo_core.interfaces import Dataset

TABLE = "labels.csv"


def write_folder(dataset: Dataset, out: Path, progress: Callable[[int, int], None]) -> None:
    """Write ``000000.jpg`` and so on, and labels.csv with what is known of each.

    Raises:
        OSError: the folder cannot be written.
    """
    from PIL import Image

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
            Image.fromarray(pixels.squeeze()).save(out / path, quality=92)
            row = [column[index] for column in known.values()]
            writer.writerow(
                [path, *(f"{value:.2f}" if value.dtype.kind == "f" else value for value in row)]
            )
