"""The real images of an evaluation: the training and the held-out images of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganzoo_core.config import (
    DataConfig,
    available_splits,
    data_config_class,
    merge,
    parse,
    parse_data_source,
    with_split,
)
from ganzoo_core.data import PackedImages
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo
from ganzoo_core.metrics.image_sets import train_test_split
from ganzoo_core.report import Progress
from ganzoo_core.training.open_data import open_images
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedFolder


def load_train_and_test(
    path: Path,
    pretrained: PretrainedFolder,
    data: str | None,
    data_options: dict[str, Any],
    progress: Progress,
) -> tuple[PackedImages, PackedImages]:
    """Return the training and the held-out images; of data without a test split, a fifth is held
    out. For the arguments and errors see `load_real_images`."""
    train, *test = load_real_images(path, pretrained, data, data_options, progress)
    return (train, test[0]) if test else train_test_split(train)


def load_real_images(
    path: Path,
    pretrained: PretrainedFolder,
    data: str | None,
    data_options: dict[str, Any],
    progress: Progress,
) -> list[PackedImages]:
    """Return the training and the held-out images at the model's image size; one set if the data
    has no test split.

    Raises:
        UsageError: a pretrained folder that does not record its data, without `--data`.
        DataError: the data lacks what the model needs.
    """
    info, data_section = pretrained.info, _load_data_section(path, pretrained, data)
    if not data_section.get("name"):
        raise UsageError(
            f"{path} does not record its data: give --data {info.name or 'NAME'}[:PATH]"
        )
    cls = data_config_class(data_section["name"])
    config = parse(cls, _with_model_shape(data_section, data_options, info), "data")
    return [open_images(None, side, info.age_bins, progress) for side in split_configs(config)]


def _load_data_section(
    path: Path, pretrained: PretrainedFolder, data: str | None
) -> dict[str, Any]:
    """Return the `[data]` section of a run, or of published weights without its path, updated with
    ``NAME[:PATH]``."""
    published = pretrained.index.get("published") or {}
    data_section = {**published.get("data", {}), "path": ""}
    if RunFolder(path).config.exists():
        data_section = RunFolder(path).read_config().get("data", {})
    if data is not None:
        source = parse_data_source(data)
        is_same = source["name"] == data_section.get("name")
        data_section = {**data_section, **source} if is_same else source
    return data_section


def model_data_section(
    path: Path, pretrained: PretrainedFolder, data: str | None, data_options: dict[str, Any]
) -> dict[str, Any]:
    """Return the `[data]` section for a metric that evaluates the model, at its image size.

    `data.count` of the run is the number of its training images. The metric uses the data set's
    default instead, unless the options set it.
    """
    data_section = _load_data_section(path, pretrained, data)
    data_section.pop("count", None)
    return _with_model_shape(data_section, data_options, pretrained.info)


def _with_model_shape(
    data_section: dict[str, Any], data_options: dict[str, Any], info: DataInfo
) -> dict[str, Any]:
    """Return a `[data]` section updated with options, at the model's image size.

    Raises:
        UsageError: the options set another size.
    """
    shape = {"image_size": info.image_size, "num_channels": info.num_channels}
    for name, value in shape.items():
        if data_options.get(name, value) != value:
            raise UsageError(
                f"--set data.{name}={data_options[name]}: the images of the model have "
                f"data.{name}={value}: leave the option out"
            )
    return merge(merge(data_section, data_options), shape)


def split_configs(config: DataConfig) -> Iterator[DataConfig]:
    """Yield the options of the training and the test split; of all images for data without one."""
    splits = available_splits(config)
    if "test" not in splits:
        yield config
        return
    values = config.model_dump()
    if values["split"] == "all" and "train" in splits:
        values["split"] = "train"
    yield type(config)(**values)
    yield with_split(config, "test")
