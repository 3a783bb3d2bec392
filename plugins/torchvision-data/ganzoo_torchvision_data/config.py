"""The options of the data sets, set with `--set data.OPTION=VALUE`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganzoo_core.config import DataConfig


class ClassicConfig(DataConfig):
    """Of MNIST, Fashion-MNIST and CIFAR-10."""

    split: Literal["train", "test", "all"] = "train"
    """The official division."""
    download: bool = False
    """Fetch files that are missing below the path."""


class SVHNConfig(DataConfig):
    """Of SVHN."""

    split: Literal["train", "test", "extra", "all"] = "train"
    """The official division; `all` is train and test, without the simpler `extra`."""
    download: bool = False
    """Fetch files that are missing below the path."""


class CelebAConfig(DataConfig):
    """Of CelebA."""

    split: Literal["all", "train", "valid", "test"] = "all"
    """The official division, which is by person; needs list_eval_partition.txt."""
    attribute: str = "Smiling"
    """Which of the 40 attributes is the label, such as Young or Male; "" for none."""
    min_size: int = Field(0, ge=0)
    """Shortest edge kept, in pixels."""
