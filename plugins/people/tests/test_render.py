"""Pixels: golden within tolerance, independent of batch and size, continuous in age."""

from __future__ import annotations

import dataclasses
import json

import ganzoo_people as people
import numpy as np
import pytest
from golden import PATH, block_means, render_golden_portraits


def portrait(number: int, years: float, photo: int = 0, size: int = 64, **changes) -> np.ndarray:
    person = dataclasses.replace(people.identity(0, number), **changes)
    seen = people.appearance(person, years)
    return people.render([seen], [people.nuisance(0, number, photo)], size)[0].astype(float)


def studio_nuisance() -> people.Nuisance:
    """Return a well-lit frontal photo without noise, for small differences."""
    photo = people.nuisance(0, 0, 0)
    return dataclasses.replace(
        photo,
        yaw=0.1,
        pitch=0.0,
        roll=0.0,
        glasses=0.0,
        noise=0.0,
        blur=0.0,
        exposure=0.2,
        light_contrast=0.5,
        light_azimuth=0.4,
        light_elevation=0.4,
    )


def test_pixels_match_golden():
    stored = json.loads(PATH.read_text())["blocks"]
    for picture, expected in zip(render_golden_portraits(), stored, strict=True):
        assert np.abs(block_means(picture) - np.array(expected)).max() < 1.5


def test_portrait_does_not_depend_on_batch():
    seen = [people.appearance(people.identity(0, n), 9.0 * n) for n in range(9)]
    photos = [people.nuisance(0, n, 1) for n in range(9)]
    together = people.render(seen, photos, 64).astype(int)
    for k in (0, 4, 8):
        alone = people.render(seen[k : k + 1], photos[k : k + 1], 64).astype(int)
        assert np.abs(alone[0] - together[k]).max() <= 1
    stacked = people.render(people.stack(seen), people.stack(photos), 64).astype(int)
    assert np.abs(stacked - together).max() <= 1


@pytest.mark.parametrize("size", [32, 48, 64, 100, 128, 256, 512])
def test_image_sizes_show_same_portrait(size):
    seen = [people.appearance(people.identity(0, 3), 40.0)]
    small = people.render(seen, [studio_nuisance()], size)
    assert small.shape == (1, size, size, 3) and small.dtype == np.uint8
    steps = (np.arange(8) * size) // 8
    reference = block_means(people.render(seen, [studio_nuisance()], 64)[0])
    rows = np.add.reduceat(small[0].astype(float), steps, axis=0)
    sums = np.add.reduceat(rows, steps, axis=1)
    cells = np.diff(np.append(steps, size))
    means = sums / (cells[:, None] * cells[None])[..., None]
    assert np.abs(means - reference).mean() < (2.0 if size % 8 == 0 else 4.0)


def test_rendered_aging_is_continuous_and_monotonic():
    years = np.concatenate([np.arange(0.0, 90.0, 1.0), np.arange(0.0, 90.0, 1.0) + 0.1])
    person = people.stack([people.identity(0, 5)] * len(years))
    photos = people.stack([studio_nuisance()] * len(years))
    movie = people.render(people.appearance(person, years), photos, 64).astype(float)
    step = np.abs(movie[90:] - movie[:90]).mean((1, 2, 3))
    assert step.max() < 1.5  # a tenth of a year
    movie = movie[:90]
    for start in (0, 20, 45, 70):  # larger age differences give larger pixel differences
        change = [np.abs(movie[start + d] - movie[start]).mean() for d in (2, 6, 12, 19)]
        assert change == sorted(change), (start, change)


def test_every_identity_factor_changes_pixels():
    photo = studio_nuisance()
    base = dataclasses.replace(
        people.identity(0, 2),
        stubble=0.7,
        freckles=0.6,
        receding=0.7,
        hair_redness=0.2,
        skin_tone=0.3,
        hair_style=1,
        mole_a_size=0.8,
        mole_b_size=0.8,
        mole_c_size=0.8,
        hair_peak=0.2,
        hair_melanin=0.4,
    )
    changed = []
    for field in dataclasses.fields(base):
        value = getattr(base, field.name)
        other = value + (0.6 if value < 0.3 else -0.6) if field.name != "hair_style" else 3
        pair = [
            people.appearance(base, 45.0),
            people.appearance(dataclasses.replace(base, **{field.name: other}), 45.0),
        ]
        a, b = people.render(pair, [photo, photo], 128).astype(float)
        if np.abs(a - b).max() > 3:
            changed.append(field.name)
    assert changed == [f.name for f in dataclasses.fields(base)]


def test_faces_differ_more_than_noise():
    assert np.abs(portrait(1, 30.0) - portrait(2, 30.0)).mean() > 10


@pytest.mark.parametrize("size", [31, 513, 0])
def test_size_out_of_range(size):
    seen = [people.appearance(people.identity(0, 0), 30.0)]
    with pytest.raises(ValueError, match="size"):
        people.render(seen, [people.nuisance(0, 0, 0)], size)


def test_unequal_numbers_of_records():
    seen = [people.appearance(people.identity(0, 0), 30.0)] * 2
    with pytest.raises(ValueError, match="nuisances"):
        people.render(seen, [people.nuisance(0, 0, 0)], 64)
