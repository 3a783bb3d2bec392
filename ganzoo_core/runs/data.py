"""From the `[data]` branch to images in memory."""

from __future__ import annotations

from typing import Any

from ganzoo_core.config import DataConfig
from ganzoo_core.data import Images, ObjectDataset, cache_folder, prepare, renamed, wrap
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import Dataset
from ganzoo_core.report import Progress
from ganzoo_core.zoo import resolve, zoo


def open_dataset(config: DataConfig) -> Dataset:
    """Open the data set that the configuration names.

    Raises:
        UsageError: no name, or an unknown one. DataError: its path does not hold it.
    """
    if not config.name:
        raise UsageError(
            "this model needs data: give --data NAME[:PATH] (see `ganzoo list dataset`)"
        )
    dataset: Dataset = resolve(zoo().dataset(config.name).target)(config)
    return dataset


def open_images(
    data: Any, config: DataConfig, groups: tuple[int, ...], progress: Progress
) -> Images:
    """Decode a data set, or an object handed over in its place.

    Args:
        data: None for the data set of the configuration, a torch Dataset, or a ganzoo Dataset.
        groups: the model's age edges.
    """
    dataset = open_dataset(config) if data is None else wrap(data, config)
    images = images_of(dataset, groups, progress)
    if isinstance(dataset, ObjectDataset):
        return renamed(images, config.name or type(dataset.items).__name__)
    return images


def images_of(dataset: Dataset, groups: tuple[int, ...], progress: Progress) -> Images:
    """Decode a data set, into its store where it has a name; say what was left out."""
    config = dataset.config
    cache = None if isinstance(dataset, ObjectDataset) else cache_folder()
    progress.start(f"preparing {config.name or 'data'}")
    try:
        images = prepare(
            dataset,
            size=config.size,
            channels=config.channels,
            groups=groups,
            progress=progress.advance,
            cache=cache,
        )
    finally:
        progress.stop()
    report(images, progress)
    return images


def report(images: Images, progress: Progress) -> None:
    """Say what was left out and which groups are empty: nothing is dropped in silence."""
    for what, count in images.removed:
        if count:
            progress.say(f"left out {count:,} image{'s' * (count != 1)}: {what}")
    if images.unreadable:
        progress.say(f"the first: {images.unreadable[0]}; `ganzoo data prepare` lists them all")
    empty = [n for n, c in zip(images.info.classes, images.info.counts, strict=True) if not c]
    if empty:
        progress.warn(
            f"warning: no image of {', '.join(empty)}: they stay untrained and are marked so"
        )
