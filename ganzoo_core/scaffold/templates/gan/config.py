"""Options and presets of `my-plugin`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import GANConfig


class MyPluginConfig(GANConfig):
    """`[model]` of my-plugin, with the loss, optimizers and moving average of every GAN."""

    base_channels: int = Field(32, ge=4)
    """Channels at the highest resolution; doubled at each lower one."""
    latent_dim: int = Field(64, ge=1)
    """Length of z."""

    presets: ClassVar = {
        "smoke": {
            "model": {"base_channels": 8, "latent_dim": 16, "ema_halflife_images": 1000.0},
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"terms": {"r1": {"weight": 1.0}}, "ema_halflife_images": 5000.0},
            "data": {"name": "shapes", "image_size": 32, "count": 4096},
            "train": {"batch_size": 32, "steps": 1500},
        },
    }
