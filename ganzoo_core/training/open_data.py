"""Open the data set of the `[data]` options and decode its images into memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ganzoo_core.config import DataConfig, parse, parse_data_source
from ganzoo_core.config.tree import data_config_class
from ganzoo_core.data import (
    PackedImages,
    TorchDatasetAdapter,
    as_dataset,
    default_cache_dir,
    pack_images,
    with_name,
)
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import Dataset
from ganzoo_core.report import Progress
from ganzoo_core.zoo import import_target, zoo


def parse_data_config(data: str, options: dict[str, Any]) -> DataConfig:
    """Return the `[data]` options of ``NAME[:PATH]``, updated with `options`.

    Raises:
        UsageError: an unknown data set or option.
        PluginError: the plugin of the data set is not installed.
    """
    source = parse_data_source(data)
    return parse(data_config_class(source["name"]), {**source, **options}, "data")


def open_dataset(config: DataConfig) -> Dataset:
    """Return the data set that the options name.

    Raises:
        UsageError: no name, or an unknown one.
        DataError: the path does not contain the data set.
    """
    if not config.name:
        raise UsageError(
            "this model needs data: give --data NAME[:PATH] (see `ganzoo list dataset`)"
        )
    dataset: Dataset = import_target(zoo().dataset(config.name).target)(config)
    return dataset


def open_images(
    data: Any,
    config: DataConfig,
    age_bins: tuple[int, ...],
    progress: Progress,
    check: Callable[[Dataset], None] | None = None,
) -> PackedImages:
    """Decode a data set.

    Args:
        data: a torch Dataset, a ganzoo Dataset, or None for the data set that `config` names.
        config: the `[data]` options.
        age_bins: the upper edges of the model's bins; empty for the labels of the data set.
        progress: the progress bar.
        check: receives the data set before an image is decoded.
    """
    dataset = open_dataset(config) if data is None else as_dataset(data, config)
    if check:
        check(dataset)
    images = decode_dataset(dataset, age_bins, progress)
    if isinstance(dataset, TorchDatasetAdapter):
        return with_name(images, config.name or type(dataset.items).__name__)
    return images


def decode_dataset(dataset: Dataset, age_bins: tuple[int, ...], progress: Progress) -> PackedImages:
    """Decode a data set, through the cache unless it is a torch Dataset, and report the excluded
    images and the empty classes."""
    config = dataset.config
    cache_dir = None if isinstance(dataset, TorchDatasetAdapter) else default_cache_dir()
    progress.start(f"preparing {config.name or 'data'}")
    try:
        images = pack_images(
            dataset,
            image_size=config.image_size,
            num_channels=config.num_channels,
            age_bins=age_bins,
            progress=progress.advance,
            cache_dir=cache_dir,
        )
    finally:
        progress.stop()
    for reason, count in images.removed:
        if count:
            progress.info(f"excluded {count:,} image{'s' * (count != 1)}: {reason}")
    if images.unreadable:
        progress.info(f"the first: {images.unreadable[0]}; `ganzoo data prepare` lists all")
    counts = zip(images.info.class_names, images.info.class_counts, strict=True)
    if empty_classes := [name for name, count in counts if not count]:
        progress.warning(
            f"warning: no images of {', '.join(empty_classes)}: these classes are not trained and "
            "are marked in grids"
        )
    return images
