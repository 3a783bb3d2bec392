"""The options of `people`."""

from typing import Literal

from pydantic import Field

from ganzoo_core import DataConfig

Split = Literal["gan-train", "auxiliary", "evaluator", "calibration", "test"]


class PeopleConfig(DataConfig):
    """`[data]` of `people`."""

    image_size: int = Field(64, ge=32, le=512)
    """Edge of the portraits, in pixels."""
    count: int = Field(6000, ge=1, le=4_000_000)
    """Number of portraits."""
    photos_per_person: int = Field(4, ge=1, le=1000)
    """Number of portraits of each person, at different ages."""
    same_photo: bool = False
    """All portraits of a person are the same photo at different ages: exact pairs for training."""
    split: Split = "gan-train"
    """Disjoint ranges of identities: for the GAN, its auxiliary networks, and evaluators."""
    seed: int = Field(0, ge=0)
    """Each seed gives other people."""
    nuisance_scale: float = Field(1.0, ge=0, le=1)
    """Variation of pose, light, backdrop, expression and camera; 0: all portraits in one studio."""
    min_age: float = Field(0, ge=0, le=90)
    """Ages are uniform from min_age to max_age, in years."""
    max_age: float = Field(90, ge=0, le=90)
    """Ages are uniform from min_age to max_age, in years."""
