"""my-plugin keeps what every data set of the zoo promises, and a batch comes out of it."""

from ganzoo_my_plugin.config import MyPluginConfig
from ganzoo_my_plugin.dataset import MyPlugin

from ganzoo_core.data import prepare
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("my-plugin")
def test_promises(check):
    """Each conformance check; `ganzoo check my-plugin` prints them."""
    check()


def test_labels():
    """Every class has a third of the images."""
    data = MyPlugin(MyPluginConfig(name="my-plugin", size=16, count=12))
    info = prepare(data, size=16).info
    assert dict(zip(info.classes, info.counts, strict=True)) == {"red": 4, "green": 4, "blue": 4}
