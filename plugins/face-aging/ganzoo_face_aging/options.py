"""Options of the metric `aging` and of `ganzoo age`, from text to values."""

from __future__ import annotations

from collections.abc import Sequence

from ganzoo_core.errors import UsageError

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


def parse_upper_edges(text: str) -> tuple[int, ...]:
    """Return the inclusive upper edges of age groups, in years, from ``18,29,39`` or the name of
    published ones.

    Raises:
        UsageError: no such name, or ages that do not increase.
    """
    from ganzoo_core.data import parse_age_bins

    return parse_age_bins(text).upper_edges
