"""`shapes`: the same drawings everywhere, with facts that can be seen in them."""

import numpy as np
import pytest
import torch
from workbench import drawn

from ganzoo_core.testing.shapes import CLASSES, Shapes, ShapesConfig


def shapes(**options):
    return Shapes(
        ShapesConfig(**{"name": "shapes", "count": 64, "people": 8, "size": 16, **options})
    )


def test_one_picture_is_that_of_many():
    data = shapes()
    many = data.images(range(64))
    assert all((data.image(i) == many[i]).all() for i in (0, 17, 63))
    assert many[0].shape == (16, 16, 3) and many[0].dtype == np.uint8


def test_the_seed_decides_everything():
    a, b, c = shapes(), shapes(), shapes(seed=1)
    assert (a.image(5) == b.image(5)).all() and (a.image(5) != c.image(5)).any()
    assert (a.table().labels == b.table().labels).all()
    assert (a.table().labels != c.table().labels).any()


def test_more_pictures_leave_the_first_as_they_are():
    few, many = shapes(count=10), shapes(count=50)
    assert all((few.image(i) == many.image(i)).all() for i in range(10))


def test_the_table_knows_everything():
    table = shapes(count=300).table()
    assert table.length == 300 and table.classes == CLASSES
    assert set(table.labels.tolist()) == {0, 1, 2}
    assert table.ages.min() >= 0 and 60 < table.ages.max() < 80
    assert table.ages.dtype == np.float32 and table.labels.dtype == np.int64
    assert len(set(table.identities.tolist())) == 8


@pytest.mark.parametrize("size", [8, 16, 33, 64])
def test_every_size_is_drawn(size):
    pixels = shapes(size=size, count=4).images(range(4))
    assert all(p.shape == (size, size, 3) and p.std() > 10 for p in pixels)


def test_a_picture_tells_its_hat():
    """The mean picture of each class, fitted on one half, names the class of the other half."""
    images = drawn(count=600, people=30)
    x = images.pixels.float().flatten(1)
    y = torch.nn.functional.one_hot(images.label, 3).float()
    train, test = slice(0, 300), slice(300, 600)
    weights = torch.linalg.lstsq(
        torch.cat([x[train], 500 * torch.eye(x.shape[1])]),
        torch.cat([y[train], torch.zeros(x.shape[1], 3)]),
    ).solution
    right = ((x[test] @ weights).argmax(1) == images.label[test]).float().mean()
    assert right > 0.8


def test_a_picture_tells_its_person():
    """Skin and background are the person's: photographs of one lie closer than of two."""
    images = drawn(count=120, people=6)
    corner = images.pixels[:, :, -2:, :2].float().mean((2, 3))
    same = images.identity[:, None] == images.identity[None]
    distance = torch.cdist(corner, corner)
    off = ~torch.eye(120, dtype=torch.bool)
    assert distance[same & off].mean() < 0.7 * distance[~same].mean()
