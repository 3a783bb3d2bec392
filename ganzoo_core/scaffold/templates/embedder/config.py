"""Options and presets of `my-plugin`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, ModelConfig


class MyPluginConfig(ModelConfig):
    """`[model]` of my-plugin."""

    base_channels: int = Field(32, ge=4)
    """Channels of the first conv."""
    embed_dim: int = Field(64, ge=2)
    """Length of an embedding."""
    margin: float = Field(0.2, gt=0)
    """Minimum difference between the distances to another identity and to the same one."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    """The optimizer."""
    epochs: float = Field(20, gt=0)
    """Length of the training in passes over the data; `train.steps` overrides it."""

    presets: ClassVar = {
        "smoke": {
            "model": {"base_channels": 4, "embed_dim": 16},
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "steps": 20, "log_every": 5},
        },
        "quick": {
            "data": {"name": "shapes", "image_size": 32, "count": 4096},
            "train": {"batch_size": 64, "steps": 600},
        },
    }
