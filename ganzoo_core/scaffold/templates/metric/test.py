"""The metric my-plugin passes the conformance checks, and is 1 for equal images."""

from types import SimpleNamespace

import pytest
from ganzoo_my_plugin.metric import my_plugin

from ganzoo_core.data import pack_images
from ganzoo_core.testing import parametrize_with_checks
from ganzoo_core.testing.shapes import Shapes, ShapesConfig


@parametrize_with_checks("my-plugin")
def test_conformance(check):
    """The checks that `ganzoo check my-plugin` runs."""
    check()


def test_equal_images():
    """The same images on both sides have a ratio of 1."""
    config = ShapesConfig(name="shapes", count=12, image_size=16)
    images = pack_images(Shapes(config), image_size=16)
    values = my_plugin(SimpleNamespace(real=images, fake=images))
    assert values["contrast_ratio"].value == pytest.approx(1)
