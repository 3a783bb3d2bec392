"""Options of `my-plugin`."""

from pydantic import Field

from ganzoo_core import DataConfig


class MyPluginConfig(DataConfig):
    """`[data]` of my-plugin; `DataConfig` has `path`, `image_size` and `num_channels`."""

    count: int = Field(600, ge=1)
    """Number of images."""
    seed: int = Field(0, ge=0)
    """Seed of the images."""
