"""Options and presets of `my-plugin`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, ModelConfig


class MyPluginConfig(ModelConfig):
    """`[model]` of my-plugin."""

    base_channels: int = Field(32, ge=4)
    """Channels of the first conv."""
    cycle_weight: float = Field(10.0, ge=0)
    """Weight of the cycle consistency loss."""
    optim_d: Adam = Adam()
    """The optimizer of the discriminator."""
    optim_g: Adam = Adam()
    """The optimizer of the generator."""
    ema_halflife_images: float | None = Field(None, gt=0)
    """Half-life of the generator's exponential moving average, in images; none for no average."""
    epochs: float = Field(20, gt=0)
    """Length of the training in passes over the data; `train.steps` overrides it."""

    presets: ClassVar = {
        "smoke": {
            "model": {"base_channels": 4},
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"base_channels": 16, "ema_halflife_images": 5000.0},
            "data": {"name": "shapes", "image_size": 32, "count": 4096},
            "train": {"batch_size": 32, "steps": 1000},
        },
    }
