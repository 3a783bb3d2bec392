"""Options and presets of `r3gan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, GANConfig

GROUPS = (18, 29, 39, 49, 59)
NO_MOMENTUM = Adam(lr=2e-4, betas=(0.0, 0.99))


def held(gamma):
    """Return relativistic pairs with both penalties at a weight."""
    return {"loss": {"kind": "relativistic", "r1": gamma, "r2": gamma}}


class R3GANConfig(GANConfig):
    """`[model]` of r3gan: these, and the loss, optimisers and average of every GAN."""

    groups: tuple[int, ...] = GROUPS
    """Inclusive upper edges of the age groups, in years."""
    width: int = Field(768, ge=4)
    """Channels of the maps up to 32 px; halved with every doubling beyond."""
    blocks: int = Field(2, ge=1)
    """Residual blocks at each size."""
    latent: int = Field(64, ge=1)
    """Length of z."""
    embedding: int = Field(768, ge=1)
    """Length of the classes' embeddings."""
    optim_d: Adam = NO_MOMENTUM
    optim_g: Adam = NO_MOMENTUM

    presets: ClassVar = {
        "tiny": {
            "model": {
                "width": 8,
                "blocks": 1,
                "latent": 8,
                "embedding": 8,
                "ema": 1000.0,
                **held(0.5),
            },
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "width": 24,
                "blocks": 1,
                "embedding": 32,
                "ema": 3000.0,
                **held(0.5),
                "optim_d": {"lr": 1e-3},
                "optim_g": {"lr": 1e-3},
            },
            "data": {"name": "people", "size": 32, "count": 6000, "variety": 0.35},
            "train": {"batch": 16, "steps": 1000},
        },
        "good": {
            "model": {
                "width": 96,
                "blocks": 1,
                "embedding": 64,
                "ema": 20000.0,
                **held(1.0),
                "optim_d": {"lr": 5e-4},
                "optim_g": {"lr": 5e-4},
            },
            "data": {"name": "people", "size": 64, "count": 20000, "variety": 0.35},
            "train": {"batch": 64, "steps": 10000, "sample_every": 1000},
        },
        "paper": {
            "model": {"ema": 500_000.0, **held(0.05)},
            "data": {"name": "cifar10", "size": 32},
            "train": {"batch": 512},
        },
    }
