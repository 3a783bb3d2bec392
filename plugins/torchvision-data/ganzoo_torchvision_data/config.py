"""The options of the data sets, set with `--set data.OPTION=VALUE`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganzoo_core.config import DataConfig


class DownloadableConfig(DataConfig):
    """Options of MNIST, Fashion-MNIST and CIFAR-10."""

    split: Literal["train", "test", "all"] = "train"
    """The official split."""
    download: bool = False
    """Download missing files into the path."""


class SVHNConfig(DataConfig):
    """Options of SVHN."""

    split: Literal["train", "test", "extra", "all"] = "train"
    """The official split; `all` is train and test, without the easier `extra`."""
    download: bool = False
    """Download missing files into the path."""


class CelebAConfig(DataConfig):
    """Options of CelebA."""

    split: Literal["all", "train", "valid", "test"] = "train"
    """The official split, by person; needs list_eval_partition.txt, except for `all`."""
    attribute: str = "Smiling"
    """The attribute that is the label, such as Young or Male; "" for no label."""
    min_size: int = Field(0, ge=0)
    """Minimum short edge in pixels."""
