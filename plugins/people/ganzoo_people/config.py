"""Options of `people`."""

from typing import Literal

from pydantic import Field

from ganzoo_core import DataConfig

Split = Literal["gan-train", "judge-a", "judge-b", "calibration", "test"]


class PeopleConfig(DataConfig):
    """`[data]` of people."""

    size: int = Field(64, ge=32, le=512)
    """Edge of the portraits, in pixels."""
    count: int = Field(6000, ge=1, le=4_000_000)
    """Portraits."""
    photos: int = Field(4, ge=1, le=1000)
    """Portraits of each person, at ages of their own."""
    split: Split = "gan-train"
    """Whose portraits: the ranges share nobody."""
    seed: int = Field(0, ge=0)
    """Another seed is another world of people."""
    variety: float = Field(1.0, ge=0, le=1)
    """How much pose, light, backdrop, expression and camera vary; 0 is one studio for all."""
    min_age: float = Field(0, ge=0, le=90)
    max_age: float = Field(90, ge=0, le=90)
    """Ages are drawn evenly from min_age to max_age, in years."""
