"""The options of `--data imdb-wiki:PATH`, set with `--set data.OPTION=VALUE`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganzoo_core.config import DataConfig, Split

AgeRule = Literal["mid-year", "report-notebook", "authors-script"]
"""How an age follows from the date of birth and the year of the photograph."""


class ImdbWikiConfig(DataConfig):
    """Which faces of IMDB-WIKI to use. Options that are not set come from the `filters` preset."""

    filters: Literal["report", "clean", "none"] = "report"
    """report: age above 0. clean: also one face with a score of at least 1, age up to 100, known
    gender. none: all images."""
    age_rule: AgeRule = "mid-year"
    """mid-year: the age on July 1st of the photograph's year. report-notebook: a birth in July
    counts as after it. authors-script: the days of life as a MATLAB date, and its year."""
    min_score: float | Literal["any"] | None = None
    """Minimum score of the face detector; "any" also keeps images without a detected face."""
    single_face: bool | None = None
    """Remove images with a second face."""
    min_age: int | None = None
    """Minimum age in years. Wrong birth dates give ages from -31 to 2014."""
    max_age: int | None = None
    """Maximum age in years."""
    gender_known: bool | None = None
    """Remove people of unknown gender."""
    min_size: int = Field(0, ge=0)
    """Minimum short edge in pixels, checked when an image is decoded."""
    split: Split = "train"
    """The people to train on, those held out for the evaluation, or all: no person is in both train
    and test."""
    test_share: float = Field(0.1, gt=0, lt=1)
    """Fraction of the people in the test split."""
    layout: Literal["auto", "crop", "full"] = "auto"
    """Whether images are cropped to faces; auto decides by the folder name (`wiki` and `imdb` are
    full)."""
    margin: float = Field(0.4, ge=0, le=2)
    """Margin around the face on each side, as a fraction of its width (height), for full images;
    the published crops have 0.4."""
