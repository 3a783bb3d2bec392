"""The options of `--data imdb-wiki:PATH`, set with `--set data.OPTION=VALUE`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganzoo_core.config import DataConfig, Split


class ImdbWikiConfig(DataConfig):
    """Which faces of IMDB-WIKI. An option left out is what the `filters` preset says."""

    filters: Literal["report", "clean", "none"] = "report"
    """report: age above 0. clean: also one sure face, age up to 100, gender known. none: all."""
    min_score: float | Literal["any"] | None = None
    """Smallest score of the face detector; "any" also keeps pictures where it found no face."""
    single_face: bool | None = None
    """Leave out pictures in which a second face was found."""
    min_age: int | None = None
    """Youngest age kept, in years. Wrong birth dates give ages from -31 to 2014."""
    max_age: int | None = None
    """Oldest age kept, in years."""
    gender_known: bool | None = None
    """Leave out people whose gender is not given."""
    min_size: int = Field(0, ge=0)
    """Shortest edge kept, in pixels; looked at when a picture is decoded."""
    split: Split = "all"
    """All people, or one side of a division by person: nobody is on both sides."""
    test_share: float = Field(0.1, gt=0, lt=1)
    """Share of the people in the test split."""
    layout: Literal["auto", "crop", "full"] = "auto"
    """Whether the pictures are cropped to faces; auto goes by the folder's name (`wiki`, `imdb`
    are full)."""
    margin: float = Field(0.4, ge=0, le=2)
    """Room around the face on each side, in widths (heights) of the face, when the pictures are
    full; 0.4 is how the published crops were made."""
