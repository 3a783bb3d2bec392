"""Options and presets of `my-plugin`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import GANConfig


class MyPluginConfig(GANConfig):
    """`[model]` of my-plugin: these, and the loss, optimisers and average of every GAN."""

    width: int = Field(32, ge=4)
    """Channels of the largest maps; each halving doubles them."""
    latent: int = Field(64, ge=1)
    """Length of z."""

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 8, "latent": 16, "ema": 1000.0},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"loss": {"kind": "bce", "r1": 1.0}, "ema": 5000.0},
            "data": {"name": "shapes", "size": 32, "count": 4096},
            "train": {"batch": 32, "steps": 1500},
        },
    }
