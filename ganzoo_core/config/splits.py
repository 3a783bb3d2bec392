"""The splits that the options of a data set offer."""

from __future__ import annotations

from typing import TypeVar, get_args

from ganzoo_core.config.sections import DataConfig

_ConfigT = TypeVar("_ConfigT", bound=DataConfig)


def available_splits(config: DataConfig) -> tuple[str, ...]:
    """Return the names of the splits of a data set."""
    field = type(config).model_fields.get("split")
    return get_args(field.annotation) if field else ()


def with_split(config: _ConfigT, split: str) -> _ConfigT:
    """Return the same options with another split."""
    return type(config)(**{**config.model_dump(), "split": split})
