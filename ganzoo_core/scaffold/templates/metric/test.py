"""The metric my-plugin keeps what every metric of the zoo promises, and measures what it says."""

from types import SimpleNamespace

import pytest
from ganzoo_my_plugin.metric import my_plugin

from ganzoo_core.data import prepare
from ganzoo_core.testing import parametrize_with_checks
from ganzoo_core.testing.shapes import Shapes, ShapesConfig


@parametrize_with_checks("my-plugin")
def test_promises(check):
    """Each conformance check; `ganzoo check my-plugin` prints them."""
    check()


def test_real_images_have_the_contrast_of_real_images():
    """Images measured against themselves give one."""
    images = prepare(Shapes(ShapesConfig(name="shapes", count=12, size=16)), size=16)
    figures = my_plugin(SimpleNamespace(real=images, fake=images))
    assert figures["contrast_ratio"].value == pytest.approx(1)
