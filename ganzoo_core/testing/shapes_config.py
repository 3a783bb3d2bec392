"""The options of `shapes`; importing them imports no torch."""

from __future__ import annotations

from pydantic import Field

from ganzoo_core.config import DataConfig


class ShapesConfig(DataConfig):
    """Options of `shapes`."""

    count: int = Field(1024, ge=1, le=1_000_000)
    """Number of images."""
    num_identities: int = Field(64, ge=1)
    """Number of identities."""
    seed: int = Field(0, ge=0)
    """Seed of the images."""
