"""`shapes`: deterministic images whose labels and identities can be predicted from the pixels."""

import numpy as np
import pytest
import torch
from training_helpers import make_images

from ganzoo_core.testing.shapes import CLASSES, Shapes, ShapesConfig


def make_shapes(**options):
    return Shapes(
        ShapesConfig(
            **{"name": "shapes", "count": 64, "num_identities": 8, "image_size": 16, **options}
        )
    )


def test_single_image_matches_batch():
    data = make_shapes()
    many = data.load_images(range(64))
    assert all((data.load_image(i) == many[i]).all() for i in (0, 17, 63))
    assert many[0].shape == (16, 16, 3) and many[0].dtype == np.uint8


def test_seed_determines_images():
    a, b, c = make_shapes(), make_shapes(), make_shapes(seed=1)
    assert (a.load_image(5) == b.load_image(5)).all() and (a.load_image(5) != c.load_image(5)).any()
    assert (a.metadata().labels == b.metadata().labels).all()
    assert (a.metadata().labels != c.metadata().labels).any()


def test_count_does_not_change_first_images():
    few, many = make_shapes(count=10), make_shapes(count=50)
    assert all((few.load_image(i) == many.load_image(i)).all() for i in range(10))


def test_metadata_is_complete():
    metadata = make_shapes(count=300).metadata()
    assert metadata.length == 300 and metadata.class_names == CLASSES
    assert set(metadata.labels.tolist()) == {0, 1, 2}
    assert metadata.ages.min() >= 0 and 60 < metadata.ages.max() < 80
    assert metadata.ages.dtype == np.float32 and metadata.labels.dtype == np.int64
    assert len(set(metadata.identities.tolist())) == 8


@pytest.mark.parametrize("size", [8, 16, 33, 64])
def test_image_sizes(size):
    pixels = make_shapes(image_size=size, count=4).load_images(range(4))
    assert all(p.shape == (size, size, 3) and p.std() > 10 for p in pixels)


def test_label_is_linearly_separable():
    """A linear classifier, fitted on one half, predicts the labels of the other half."""
    images = make_images(num_images=600, num_identities=30)
    x = images.pixels.float().flatten(1)
    y = torch.nn.functional.one_hot(images.label, 3).float()
    train, test = slice(0, 300), slice(300, 600)
    weights = torch.linalg.lstsq(
        torch.cat([x[train], 500 * torch.eye(x.shape[1])]),
        torch.cat([y[train], torch.zeros(x.shape[1], 3)]),
    ).solution
    right = ((x[test] @ weights).argmax(1) == images.label[test]).float().mean()
    assert right > 0.8


def test_identity_shows_in_corner_pixels():
    """Images of one person have closer background colors than images of two."""
    images = make_images(num_images=120, num_identities=6)
    corner = images.pixels[:, :, -2:, :2].float().mean((2, 3))
    same = images.identity[:, None] == images.identity[None]
    distance = torch.cdist(corner, corner)
    off_diagonal = ~torch.eye(120, dtype=torch.bool)
    assert distance[same & off_diagonal].mean() < 0.7 * distance[~same].mean()
