"""Options and presets of `my-plugin`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, ModelConfig


class MyPluginConfig(ModelConfig):
    """`[model]` of my-plugin."""

    width: int = Field(32, ge=4)
    """Channels of the first maps."""
    dim: int = Field(64, ge=2)
    """Length of an embedding."""
    margin: float = Field(0.2, gt=0)
    """By how much another person must be farther away than the same."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    epochs: float = Field(20, gt=0)

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 4, "dim": 16},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "steps": 20, "log_every": 5},
        },
        "quick": {
            "data": {"name": "shapes", "size": 32, "count": 4096},
            "train": {"batch": 64, "steps": 600},
        },
    }
