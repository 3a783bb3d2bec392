"""Statistics of a data set: counts, ages, identities, sizes, and excluded images."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ganzoo_core.data.age_bins import PUBLISHED_AGE_BINS, age_bin_names, assign_age_bins
from ganzoo_core.interfaces import Dataset, UnreadableImage

_MAX_SIZE_SAMPLES = 200
"""Largest number of images that are opened for their size."""


def dataset_stats(
    dataset: Dataset, age_bins: tuple[int, ...] = PUBLISHED_AGE_BINS["report"].upper_edges
) -> dict[str, Any]:
    """Return the statistics of a data set as plain JSON values. Few images are decoded.

    Args:
        dataset: the data set.
        age_bins: upper edges of the age bins, in years.
    """
    metadata = dataset.metadata()
    out: dict[str, Any] = {
        "name": dataset.config.name,
        "images": metadata.length,
        "license": dataset.license,
        "version": dataset.version,
        "excluded": dict(metadata.removed),
        "sizes": _image_size_stats(dataset, metadata.length),
    }
    if metadata.labels is not None:
        counts = np.bincount(metadata.labels, minlength=len(metadata.class_names)).tolist()
        out["labels"] = dict(zip(metadata.class_names, counts, strict=True))
    if metadata.ages is not None:
        names = age_bin_names(age_bins)
        counts = np.bincount(
            assign_age_bins(metadata.ages, age_bins), minlength=len(names)
        ).tolist()
        out["age_bins"] = dict(zip(names, counts, strict=True))
        out["ages"] = _age_stats(metadata.ages)
    if metadata.identities is not None:
        _, photos = np.unique(metadata.identities, return_counts=True)
        out["num_identities"] = len(photos)
        if len(photos):
            out["photos_per_identity"] = {
                "min": int(photos.min()),
                "median": float(np.median(photos)),
                "max": int(photos.max()),
            }
    return out


def _age_stats(ages: Any) -> dict[str, Any]:
    """Return the range, the mean and a histogram by decade of ages in years."""
    if not len(ages):
        return {}
    decades, counts = np.unique(np.floor(ages / 10).astype(int) * 10, return_counts=True)
    return {
        "min": round(float(ages.min()), 1),
        "mean": round(float(ages.mean()), 1),
        "max": round(float(ages.max()), 1),
        "decades": {f"{d}s": int(c) for d, c in zip(decades, counts, strict=True)},
    }


def _image_size_stats(dataset: Dataset, num_images: int) -> dict[str, Any]:
    """Return statistics of the shorter edge in pixels, from images at equal distances in the data
    set."""
    edges, unreadable = [], 0
    indices = np.linspace(0, num_images - 1, min(_MAX_SIZE_SAMPLES, num_images)).astype(int)
    for index in np.unique(indices).tolist():
        try:
            image = dataset.load_image(index)
        except (UnreadableImage, OSError, SyntaxError):
            unreadable += 1
            continue
        edges.append(min(image.size if isinstance(image, Image.Image) else image.shape[:2]))
    if not edges:
        return {"num_sampled": unreadable, "unreadable": unreadable}
    return {
        "num_sampled": len(edges) + unreadable,
        "unreadable": unreadable,
        "min": min(edges),
        "median": float(np.median(edges)),
        "max": max(edges),
    }
