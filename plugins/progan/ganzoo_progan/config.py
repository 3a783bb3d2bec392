"""Options and presets of `progan`, and the options of the term `drift`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, GANConfig, TermOptions

ADAM_1E3_BETA1_0 = Adam(lr=1e-3, betas=(0.0, 0.99))
WGAN_GP = {
    "loss": {"kind": "wasserstein"},
    "terms": {"gradient-penalty": {"weight": 10.0}, "drift": {"weight": 0.001}},
}


class DriftOptions(TermOptions):
    """The options of the term `drift`."""

    weight: float = Field(0.001, ge=0)
    """Its weight in the loss of D; 0.001 in the paper."""


class ProGANConfig(GANConfig):
    """`[model]` of progan."""

    base_channels: int = Field(8192, ge=8)
    """Channels times the resolution over 2: each resolution has 2 base_channels / resolution, at
    most max_channels."""
    max_channels: int = Field(512, ge=1)
    """The most channels of a layer, and the length of z."""
    fade_images: int = Field(800_000, ge=1)
    """Images in which a new resolution is faded in."""
    stable_images: int = Field(800_000, ge=1)
    """Images for which a resolution is trained after that."""
    stddev_group_size: int = Field(4, ge=1)
    """Images that are compared in the minibatch standard deviation; fewer if it does not divide
    the batch."""
    optim_d: Adam = ADAM_1E3_BETA1_0
    """The optimizer of the discriminator."""
    optim_g: Adam = ADAM_1E3_BETA1_0
    """The optimizer of the generator."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "base_channels": 64,
                "max_channels": 8,
                "fade_images": 24,
                "stable_images": 16,
                "ema_halflife_images": 1000.0,
                **WGAN_GP,
            },
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 8, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "max_channels": 64,
                "fade_images": 5000,
                "stable_images": 5000,
                "ema_halflife_images": 5000.0,
                **WGAN_GP,
            },
            "data": {"name": "people", "image_size": 32, "count": 6000, "nuisance_scale": 0.35},
            "train": {"batch_size": 16, "steps": 3000},
        },
        "fashion-32": {
            "model": {
                "max_channels": 128,
                "fade_images": 60_000,
                "stable_images": 60_000,
                "ema_halflife_images": 10_000.0,
                **WGAN_GP,
            },
            "data": {"name": "fashion-mnist", "image_size": 32, "num_channels": 1},
            "train": {"batch_size": 16, "sample_every": 5000},
        },
        "cifar10": {  # 600,000 images for each part, as in the authors' configuration
            "model": {
                "fade_images": 600_000,
                "stable_images": 600_000,
                "ema_halflife_images": 11_085.0,
                **WGAN_GP,
            },
            "data": {"name": "cifar10", "image_size": 32},
            "train": {"batch_size": 16, "sample_every": 20_000},
        },
        "paper": {  # the half-life of a decay of 0.999 for each batch of 16
            "model": {"ema_halflife_images": 11_085.0, **WGAN_GP},
            "data": {"name": "folder", "image_size": 1024},
            "train": {
                "batch_size": 16,
                "sample_every": 20_000,
                "px256": {"overrides": {"train": {"batch_size": 14}}},
                "px512": {"overrides": {"train": {"batch_size": 6}}},
                "px1024": {"overrides": {"train": {"batch_size": 3}}},
            },
        },
    }
