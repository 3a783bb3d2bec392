"""The options of the data sets, set with `--set data.OPTION=VALUE`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganzoo_core.config import DataConfig, Split


class ImageFilesConfig(DataConfig):
    """Options of every data set of this plugin."""

    min_size: int = Field(0, ge=0)
    """Minimum short edge in pixels, checked when an image is decoded."""
    split: Split = "train"
    """The images to train on, those held out for the evaluation, or all: by person if identities
    are known, otherwise by image."""
    test_share: float = Field(0.1, gt=0, lt=1)
    """Fraction of the people (or images) in the test split."""


class AgeRangeConfig(ImageFilesConfig):
    """Options of data sets with ages."""

    min_age: float = 0
    """Minimum age in years."""
    max_age: float = 120
    """Maximum age in years."""


class UserImagesConfig(ImageFilesConfig):
    """Options of your own images."""

    license: str = "not stated"
    """License of the images; the card of a model trained on them contains it."""


class TableConfig(AgeRangeConfig, UserImagesConfig):
    """Options of a CSV or JSONL."""

    table: str = ""
    """Path of the table in the folder or archive, if it contains several."""
    columns: dict[Literal["path", "age", "identity", "label"], str] = {}
    """Names of columns that are named otherwise, such as `data.columns.path=filename`."""
    root: str = ""
    """Folder that the paths in a table are relative to; empty for the folder of the table."""
    label_from: Literal["column", "folder"] = "column"
    """Where labels come from: the column, or the first folder of each path, which joins a table of
    ages to class folders."""


class ArrowConfig(AgeRangeConfig, UserImagesConfig):
    """Options of parquet and Arrow files."""

    columns: dict[Literal["image", "age", "identity", "label"], str] = {}
    """Names of columns that are not found by their name and type, such as
    `data.columns.label=breed`."""


class LFWConfig(ImageFilesConfig):
    """Options of LFW."""

    pairs: str = ""
    """A pairs.txt; by default the one in the folder of the images."""
