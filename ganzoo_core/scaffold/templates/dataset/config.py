"""Options of `my-plugin`."""

from pydantic import Field

from ganzoo_core import DataConfig


class MyPluginConfig(DataConfig):
    """`[data]` of my-plugin; `path`, `size` and `channels` are there already."""

    count: int = Field(600, ge=1)
    """Images."""
    seed: int = Field(0, ge=0)
