"""What is in a data set: counts, ages, people, sizes, and what the filters took."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ganzoo_core.config import DataConfig, parse
from ganzoo_core.config.tree import data_config_class
from ganzoo_core.data import PUBLISHED, group_names, group_of
from ganzoo_core.interfaces import Dataset, UnreadableImage

LOOKED_AT = 200
"""Images whose size is looked at."""
DECADES = 10


def data_config(data: str, options: dict[str, Any]) -> DataConfig:
    """Return the `[data]` branch of ``NAME[:PATH]`` with options laid over it.

    Raises:
        UsageError: an unknown data set or option. PluginError: its plugin is missing.
    """
    name, _, path = data.partition(":")
    return parse(data_config_class(name), {"name": name, "path": path, **options}, "data")


def survey(dataset: Dataset, groups: tuple[int, ...] = PUBLISHED["report"].edges) -> dict[str, Any]:
    """Return what is known of a data set as plain JSON values; only a few images are decoded."""
    table = dataset.table()
    out: dict[str, Any] = {
        "name": dataset.config.name,
        "images": table.length,
        "license": dataset.license,
        "version": dataset.version,
        "left_out": dict(table.removed),
        "sizes": sizes(dataset, table.length),
    }
    if table.labels is not None:
        found = np.bincount(table.labels, minlength=len(table.classes)).tolist()
        out["labels"] = dict(zip(table.classes, found, strict=True))
    if table.ages is not None:
        names = group_names(groups)
        found = np.bincount(group_of(table.ages, groups), minlength=len(names)).tolist()
        out["groups"] = dict(zip(names, found, strict=True))
        out["ages"] = ages(table.ages)
    if table.identities is not None:
        _, photos = np.unique(table.identities, return_counts=True)
        out["identities"] = len(photos)
        if len(photos):
            out["photos_of_each"] = {
                "min": int(photos.min()),
                "median": float(np.median(photos)),
                "max": int(photos.max()),
            }
    return out


def ages(values: Any) -> dict[str, Any]:
    """Return range, mean and a histogram by decade of ages in years."""
    if not len(values):
        return {}
    decades, counts = np.unique(
        np.floor(values / DECADES).astype(int) * DECADES, return_counts=True
    )
    return {
        "min": round(float(values.min()), 1),
        "mean": round(float(values.mean()), 1),
        "max": round(float(values.max()), 1),
        "decades": {f"{d}s": int(c) for d, c in zip(decades, counts, strict=True)},
    }


def sizes(dataset: Dataset, length: int) -> dict[str, Any]:
    """Return the smallest, median and largest edge in pixels of images spread over the set."""
    edges, unreadable = [], 0
    for index in np.unique(np.linspace(0, length - 1, min(LOOKED_AT, length)).astype(int)).tolist():
        try:
            image = dataset.image(index)
        except (UnreadableImage, OSError, SyntaxError):
            unreadable += 1
            continue
        edges.append(min(image.size if isinstance(image, Image.Image) else image.shape[:2]))
    if not edges:
        return {"looked_at": unreadable, "unreadable": unreadable}
    return {
        "looked_at": len(edges) + unreadable,
        "unreadable": unreadable,
        "min": min(edges),
        "median": float(np.median(edges)),
        "max": max(edges),
    }
