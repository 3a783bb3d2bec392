"""What a measure of samples promises."""

from __future__ import annotations

import math
from typing import Any

import torch

from ganzoo_core.metrics import Case, Figure, Unfit
from ganzoo_core.testing.checks.kit import Skipped, check, demand
from ganzoo_core.testing.others import MetricSubject


def measured(subject: MetricSubject, case: Case) -> dict[str, Figure]:
    """Return a metric's figures.

    Raises:
        Skipped: it does not measure drawn pictures, and says why in one line.
    """
    if "editor" in subject.spec.needs:
        raise Skipped(
            f"it measures faces that a model ages: ganzoo evaluate RUN --metrics {subject.name}"
        )
    try:
        figures: dict[str, Figure] = subject.target(case)
    except Unfit as reason:
        demand("\n" not in str(reason), f"its refusal is no single line: {str(reason)!r}")
        raise Skipped(f"it does not fit drawn pictures: {reason}") from None
    return figures


@check("metric")
def measures(subject: MetricSubject) -> None:
    """Gives figures by name, each finite, or says in one line why it cannot"""
    figures = measured(subject, subject.case())
    demand(isinstance(figures, dict) and figures, "it gives no figures: return {name: Figure(...)}")
    for name, figure in figures.items():
        demand(isinstance(figure, Figure), f"{name!r} is no Figure: return Figure(value=...)")
        numbers = [figure.value, figure.error or 0, *figure.parts.values()]
        fine = all(isinstance(x, int | float) and math.isfinite(x) for x in numbers)
        demand(fine, f"{name!r} is no finite number: float(...), or raise Unfit")


@check("metric")
def few_images(subject: MetricSubject) -> None:
    """Says so where there are too few images"""
    for count in (1, 2):
        try:
            figures = measured(subject, subject.case(count))
        except Skipped:
            continue
        bad = [name for name, figure in figures.items() if not math.isfinite(figure.value)]
        demand(
            not bad,
            f"{bad[:1]} of {count} images is not finite: raise Unfit with the number that would do",
        )


@check("metric")
def figures_repeat(subject: MetricSubject) -> None:
    """Gives the same figures for the same case"""
    first, second = (measured(subject, subject.case()) for _ in range(2))
    differ = [name for name in first if first[name] != second[name]]
    demand(not differ, f"{differ[:1]} differs: draw from case.seed")


@check("metric")
def needs(subject: MetricSubject) -> None:
    """Says which networks it measures by, for the stamp of its figures"""
    case = subject.case()
    measured(subject, case)
    used: dict[str, Any] = {"features": "network", "judge": "judge"}
    for word, attribute in used.items():
        demand(
            attribute not in case.__dict__ or word in subject.spec.needs,
            f"it asks for case.{attribute}: let its spec say needs=({word!r},)",
        )


@check("metric")
def reads_only(subject: MetricSubject) -> None:
    """Leaves the images as they were"""
    case = subject.case()
    before = {
        side: getattr(case, side).pixels.clone() for side in ("train", "test", "real", "fake")
    }
    measured(subject, case)
    changed = [s for s, old in before.items() if not torch.equal(getattr(case, s).pixels, old)]
    demand(not changed, f"it changes the images of {changed[:1]}: work on a copy")
