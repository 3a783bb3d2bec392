"""Factors: exact golden values, their distribution, and invalid arguments."""

from __future__ import annotations

import dataclasses
import json

import ganzoo_people as people
import numpy as np
import pytest
from golden import CASES, PATH

AGE_BINS = ((0, 19), (19, 30), (30, 40), (40, 50), (50, 60), (60, 91))


def test_factors_match_golden():
    stored = json.loads(PATH.read_text())
    assert stored["render_version"] == people.RENDER_VERSION
    for k, (seed, number, photo) in enumerate(CASES):
        assert dataclasses.asdict(people.identity(seed, number)) == stored["identity"][k]
        assert dataclasses.asdict(people.nuisance(seed, number, photo)) == stored["nuisance"][k]
        assert people.age(seed, number, photo) == stored["age"][k]


def test_splits_are_disjoint():
    ranges = list(people.SPLITS.values())
    assert set(people.SPLITS) == {"gan-train", "auxiliary", "evaluator", "calibration", "test"}
    for i, a in enumerate(ranges):
        for b in ranges[i + 1 :]:
            assert max(a.start, b.start) >= min(a.stop, b.stop)


def test_people_and_photos_differ():
    assert people.identity(0, 1) != people.identity(0, 2) != people.identity(1, 2)
    assert people.nuisance(0, 1, 0) != people.nuisance(0, 1, 1)
    assert people.age(0, 1, 0) != people.age(0, 1, 1)


def test_identity_factors_are_spread_and_independent():
    crowd = people.stack([people.identity(3, n) for n in range(2000)])
    table = np.array([v for k, v in vars(crowd).items()])
    assert len(table) >= 12
    correlation = np.corrcoef(table) - np.eye(len(table))
    assert np.abs(correlation).max() < 0.12
    assert np.abs(crowd.eye_spacing).max() <= 1 and crowd.eye_spacing.std() > 0.5
    assert crowd.skin_tone.min() >= 0 and crowd.skin_tone.max() < 1
    assert set(crowd.hair_style) == set(range(len(people.HAIR_STYLES)))


def test_age_bins_are_populated():
    ages = np.array([people.age(0, n, 0) for n in range(3000)])
    assert ages.min() >= 0 and ages.max() < 90
    for low, high in AGE_BINS:
        assert ((ages >= low) & (ages < high)).mean() > 0.09


@pytest.mark.parametrize(
    "call",
    [
        lambda: people.identity(0, -1),
        lambda: people.nuisance(0, 0, -1),
        lambda: people.age(0, -5, 0),
        lambda: people.stack([]),
        lambda: people.appearance(people.identity(0, 0), 90.5),
        lambda: people.appearance(people.identity(0, 0), -1),
        lambda: people.appearance(people.identity(0, 0), float("nan")),
    ],
)
def test_invalid_arguments(call):
    with pytest.raises(ValueError, match="people") as caught:
        call()
    assert "\n" not in str(caught.value)


def test_appearance_of_arrays_equals_scalars():
    crowd = [people.identity(0, n) for n in range(5)]
    ages = [0.0, 13.0, 31.0, 62.0, 90.0]
    together = people.appearance(people.stack(crowd), ages)
    for k, (person, years) in enumerate(zip(crowd, ages, strict=True)):
        alone = people.appearance(person, years)
        for name, value in vars(alone).items():
            assert value == pytest.approx(getattr(together, name)[k], abs=1e-12), name


def test_aging_is_continuous():
    years = np.linspace(0, 90, 9001)
    person = people.identity(0, 11)
    for name, values in vars(people.appearance(person, years)).items():
        value_range = np.ptp(values)
        if value_range > 0:
            assert np.abs(np.diff(values)).max() < 0.02 * value_range + 1e-9, name
