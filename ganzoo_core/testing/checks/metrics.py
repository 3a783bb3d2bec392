"""Checks of metrics."""

from __future__ import annotations

import math

import torch

from ganzoo_core.metrics import EvaluationContext, MetricNotApplicableError, MetricValue
from ganzoo_core.testing.checks.framework import CheckSkipped, check, require
from ganzoo_core.testing.other_subjects import MetricSubject


def _compute_values(subject: MetricSubject, context: EvaluationContext) -> dict[str, MetricValue]:
    """Return the values of a metric.

    Raises:
        CheckSkipped: the metric is not applicable to these images.
    """
    if subject.spec.evaluates == "model":
        raise CheckSkipped(f"it evaluates a model: ganzoo evaluate RUN --metrics {subject.name}")
    try:
        values: dict[str, MetricValue] = subject.target(context)
    except MetricNotApplicableError as reason:
        require("\n" not in str(reason), f"its message is not one line: {str(reason)!r}")
        raise CheckSkipped(f"not applicable to `shapes`: {reason}") from None
    return values


@check("metric")
def values_are_finite(subject: MetricSubject) -> None:
    """Returns finite values by name, or raises MetricNotApplicableError with one line"""
    values = _compute_values(subject, subject.build_context())
    require(
        isinstance(values, dict) and values,
        "it returns no values: return {name: MetricValue(...)}",
    )
    for name, value in values.items():
        require(
            isinstance(value, MetricValue),
            f"{name!r} is not a MetricValue: return MetricValue(value=...)",
        )
        numbers = [value.value, value.std_error or 0, *value.breakdown.values()]
        require(
            all(isinstance(x, int | float) and math.isfinite(x) for x in numbers),
            f"{name!r} is not a finite number: use float(...), or raise MetricNotApplicableError",
        )


@check("metric")
def few_images(subject: MetricSubject) -> None:
    """Raises MetricNotApplicableError for too few images"""
    for count in (1, 2):
        try:
            values = _compute_values(subject, subject.build_context(count))
        except CheckSkipped:
            continue
        bad = [name for name, value in values.items() if not math.isfinite(value.value)]
        require(
            not bad,
            f"{bad[:1]} of {count} images is not finite: raise MetricNotApplicableError with the "
            "minimum number",
        )


@check("metric")
def values_are_reproducible(subject: MetricSubject) -> None:
    """Returns the same values for the same images"""
    first, second = (_compute_values(subject, subject.build_context()) for _ in range(2))
    different = [name for name in first if first[name] != second[name]]
    require(not different, f"{different[:1]} differs: derive random numbers from ctx.seed")


@check("metric")
def requires_is_declared(subject: MetricSubject) -> None:
    """Declares in its spec which networks it uses, since results record them"""
    context = subject.build_context()
    _compute_values(subject, context)
    attributes = {"features": "feature_extractor", "classifier": "classifier"}
    for requirement, attribute in attributes.items():
        require(
            attribute not in context.__dict__ or requirement in subject.spec.requires,
            f"it uses ctx.{attribute}: set requires=({requirement!r},) in its spec",
        )


@check("metric")
def images_unchanged(subject: MetricSubject) -> None:
    """Does not modify the images"""
    context = subject.build_context()
    before = {
        name: getattr(context, name).pixels.clone() for name in ("train", "test", "real", "fake")
    }
    _compute_values(subject, context)
    changed = [
        name for name, old in before.items() if not torch.equal(getattr(context, name).pixels, old)
    ]
    require(not changed, f"it modifies the images of {changed[:1]}: use a copy")
