"""my-plugin passes the conformance checks, and its classes are balanced."""

from ganzoo_my_plugin.config import MyPluginConfig
from ganzoo_my_plugin.dataset import MyPlugin

from ganzoo_core.data import pack_images
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("my-plugin")
def test_conformance(check):
    """The checks that `ganzoo check my-plugin` runs."""
    check()


def test_labels():
    """Every class has a third of the images."""
    data = MyPlugin(MyPluginConfig(name="my-plugin", image_size=16, count=12))
    info = pack_images(data, image_size=16).info
    assert (info.class_names, info.class_counts) == (("red", "green", "blue"), (4, 4, 4))
