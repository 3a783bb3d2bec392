"""Options and presets of `my-plugin`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, ModelConfig


class MyPluginConfig(ModelConfig):
    """`[model]` of my-plugin."""

    width: int = Field(32, ge=4)
    """Channels of the largest maps."""
    cycle: float = Field(10.0, ge=0)
    """Weight of the way there and back."""
    optim_d: Adam = Adam()
    optim_g: Adam = Adam()
    ema: float | None = Field(None, gt=0)
    """Half-life of the generator's average, in images."""
    epochs: float = Field(20, gt=0)

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 4},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"width": 16, "ema": 5000.0},
            "data": {"name": "shapes", "size": 32, "count": 4096},
            "train": {"batch": 32, "steps": 1000},
        },
    }
