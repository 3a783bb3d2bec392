"""Options of the metric `aging` and of `ganzoo age`, from text to values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ganzoo_core.errors import UsageError

FaceChoice = Literal["single", "largest", "all"] | int
"""Which faces of a photograph: the only clear one, the largest, all, or one by its number from the
left, starting at 1."""
ROLES = ("age", "identity")
"""Roles of the evaluators of faces."""


def parse_evaluators(evaluator_args: Sequence[str]) -> dict[str, str]:
    """Return folders by role from ROLE=DIR.

    Raises:
        UsageError: another role, or no folder.
    """
    paths = {}
    for text in evaluator_args:
        role, equals, path = text.partition("=")
        if role not in ROLES or not equals or not path:
            raise UsageError(f"--evaluator {text}: give age=DIR or identity=DIR")
        paths[role] = path
    return paths


MAX_YEARS = 120
"""The oldest age that `ganzoo age` accepts."""


def parse_years(text: str) -> float | None:
    """Return an age in years; None for other text, such as the name of an age group.

    Raises:
        UsageError: below 0 or above `MAX_YEARS`.
    """
    try:
        years = float(text)
    except ValueError:
        return None
    if not 0 <= years <= MAX_YEARS:
        raise UsageError(f"--to {text}: an age is 0 to {MAX_YEARS} years")
    return years


def parse_face_choice(text: str) -> FaceChoice:
    """Return which faces of a photograph: "all", "largest", or a number from 1 on.

    Raises:
        UsageError: something else.
    """
    if text == "all":
        return "all"
    if text == "largest":
        return "largest"
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise UsageError(f"--face {text}: give all, largest, or a number from the left, from 1 on")


def parse_upper_edges(text: str) -> tuple[int, ...]:
    """Return the inclusive upper edges of age groups, in years, from ``18,29,39`` or the name of
    published ones.

    Raises:
        UsageError: no such name, or ages that do not increase.
    """
    from ganzoo_core.data import parse_age_bins

    return parse_age_bins(text).upper_edges
