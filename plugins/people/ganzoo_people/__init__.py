"""ganzoo_people: procedural portraits whose identity, age and circumstances are known exactly."""

from ganzoo_people.ageing import Appearance, appearance
from ganzoo_people.factors import (
    HAIR_STYLES,
    MAX_AGE,
    MIN_AGE,
    RENDER_VERSION,
    SPLITS,
    Identity,
    Nuisance,
    age,
    identity,
    nuisance,
    stack,
)
from ganzoo_people.render import MAX_SIZE, MIN_SIZE, render

__all__ = [
    "HAIR_STYLES",
    "MAX_AGE",
    "MAX_SIZE",
    "MIN_AGE",
    "MIN_SIZE",
    "RENDER_VERSION",
    "SPLITS",
    "Appearance",
    "Identity",
    "Nuisance",
    "age",
    "appearance",
    "identity",
    "nuisance",
    "render",
    "stack",
]
