"""The options of the data sets, set with `--set data.OPTION=VALUE`."""

from __future__ import annotations

from pydantic import Field

from ganzoo_core.config import DataConfig, Split


class PicturesConfig(DataConfig):
    """Of every data set here."""

    min_size: int = Field(0, ge=0)
    """Shortest edge kept, in pixels; looked at when a picture is decoded."""
    split: Split = "all"
    """Everything, or one side of a division: by person where people are known, else by picture."""
    test_share: float = Field(0.1, gt=0, lt=1)
    """Share of the people (of the pictures) in the test split."""


class AgesConfig(PicturesConfig):
    """Of data with ages."""

    min_age: float = 0
    """Youngest age kept, in years."""
    max_age: float = 120
    """Oldest age kept, in years."""


class OwnConfig(PicturesConfig):
    """Of your own pictures."""

    license: str = "not stated"
    """Terms of the pictures; the card of a model trained on them repeats it."""


class TableConfig(AgesConfig, OwnConfig):
    """Of a CSV or JSONL."""

    table: str = ""
    """Which table, where the folder or archive holds several: its path inside."""


class LFWConfig(PicturesConfig):
    """Of LFW."""

    pairs: str = ""
    """A pairs.txt; left out, the one that lies with the pictures."""
