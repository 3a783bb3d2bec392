"""Target ages of a model: years, or the age groups that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganzoo_core.data import assign_age_bins
from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import DataInfo, Model, label_index
from ganzoo_face_aging.options import parse_years


@dataclass(frozen=True)
class TargetAge:
    """An age to render faces at."""

    name: str
    """The age group, or the years of a model of any age."""
    years: float
    """For an age group its mean age, see `group_age`."""
    label: int
    """The age group."""


def serves_any_age(model: object) -> bool:
    """Return whether a model renders each year of its training data, not age groups."""
    return bool(getattr(model, "continuous_ages", False))


def parse_target_ages(model: Model, targets: Sequence[str]) -> list[TargetAge]:
    """Return ages to render from names of age groups or years; "all" stands for all trained groups.

    Raises:
        UsageError: the model does not serve it; says which ages it serves.
    """
    info = model.info
    if "all" in targets:
        return [_group_target(info, label) for label in info.nonempty_classes]
    return list(dict.fromkeys(_parse_target(model, target) for target in targets))


def _parse_target(model: Model, target: str) -> TargetAge:
    info, years = model.info, parse_years(target)
    if years is None:
        return _group_target(info, label_index(info, target))
    if not info.age_bins:
        raise UsageError(f"--to {target}: these weights have no age groups")
    label = int(assign_age_bins(np.array([years]), info.age_bins)[0])
    if serves_any_age(model):
        check_age_range(info, [years])
        return TargetAge(f"{years:g}", years, label)
    if label not in info.nonempty_classes:
        trained = ", ".join(info.class_names[k] for k in info.nonempty_classes)
        raise UsageError(
            f"--to {target}: the weights were trained without faces of "
            f"{info.class_names[label]}; they have {trained}"
        )
    return _group_target(info, label)


def _group_target(info: DataInfo, label: int) -> TargetAge:
    return TargetAge(info.class_names[label], group_age(info, label), label)


def check_age_range(info: DataInfo, ages: Sequence[float]) -> None:
    """Refuse target ages that the training data do not have.

    Args:
        info: of the training data.
        ages: years; a fraction does not count, so 90.9 is within 0 to 90.

    Raises:
        UsageError: an age outside `DataInfo.age_range`.
    """
    if not info.age_range:
        return
    low, high = (int(age) for age in info.age_range)
    for age in ages:
        if not low <= int(age) <= high:
            raise UsageError(
                f"{age:g} years: the model was trained on ages {low} to {high}: give an age in "
                "that range"
            )


def group_age(info: DataInfo, label: int) -> float:
    """Return the mean age of the training images of a group, in years; the middle of the group
    where it is unknown."""
    mean = info.class_mean_ages[label] if info.class_mean_ages else None
    if mean is not None:
        return mean
    edges = (-1, *info.age_bins, info.age_bins[-1] + 20)
    return (edges[label] + 1 + edges[label + 1]) / 2
