"""Options and presets of `sngan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, GANConfig

GROUPS = (18, 29, 39, 49, 59)
STILL = Adam(lr=2e-4, betas=(0.0, 0.9))
HINGE = {"loss": {"kind": "hinge"}}


class SNGANConfig(GANConfig):
    """`[model]` of sngan: these, and the loss, optimisers and average of every GAN."""

    groups: tuple[int, ...] = GROUPS
    """Inclusive upper edges of the age groups, in years."""
    width: int = Field(256, ge=4)
    """Channels of G's maps up to 32 px; halved with every doubling beyond."""
    d_width: int = Field(128, ge=4)
    """Channels of D's maps up to 32 px; halved with every doubling beyond."""
    latent: int = Field(128, ge=1)
    """Length of z."""
    optim_d: Adam = STILL
    optim_g: Adam = STILL
    d_steps: int = Field(5, ge=1)

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 8, "d_width": 8, "latent": 16, "d_steps": 2, "ema": 1000.0, **HINGE},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "width": 48,
                "d_width": 48,
                "d_steps": 1,
                "ema": 5000.0,
                **HINGE,
                "optim_d": {"lr": 4e-4},
            },
            "data": {"name": "people", "size": 32, "count": 6000, "variety": 0.35},
            "train": {"batch": 32, "steps": 1800},
        },
        "good": {
            "model": {
                "width": 64,
                "d_width": 64,
                "d_steps": 1,
                "ema": 10000.0,
                **HINGE,
                "optim_d": {"lr": 4e-4},
            },
            "data": {"name": "people", "size": 64, "count": 20000, "variety": 0.35},
            "train": {"batch": 64, "steps": 10000, "sample_every": 1000},
        },
        "paper": {
            "model": HINGE,
            "data": {"name": "cifar10", "size": 32},
            "train": {"batch": 64, "steps": 50000, "sample_every": 1000},
        },
    }
