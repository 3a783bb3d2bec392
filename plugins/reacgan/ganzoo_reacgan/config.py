"""Options and presets of `reacgan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, GANConfig

GROUPS = (18, 29, 39, 49, 59)
HINGE = {"loss": {"kind": "hinge"}}
SHORT = {
    "optim_d": {"lr": 4e-4, "betas": (0.0, 0.9)},
    "optim_g": {"lr": 2e-4, "betas": (0.0, 0.9)},
    "classes": 0.25,
    "d_steps": 1,
}
"""Of the short presets: half the weight of the classes, and betas as in SNGAN."""


class ReACGANConfig(GANConfig):
    """`[model]` of reacgan: these, and the loss, optimisers and average of every GAN."""

    groups: tuple[int, ...] = GROUPS
    """Inclusive upper edges of the age groups, in years."""
    width: int = Field(384, ge=4)
    """Channels of G's maps up to 32 px; halved with every doubling beyond."""
    d_width: int = Field(192, ge=4)
    """Channels of D's maps up to 32 px; halved with every doubling beyond."""
    latent: int = Field(20, ge=1)
    """Length of a piece of z: one for G's first layer, one for each block."""
    embedding: int = Field(128, ge=1)
    """Length of the class in G."""
    point: int = Field(512, ge=2)
    """Length of D's points on the sphere."""
    classes: float = Field(0.5, ge=0)
    """Weight of the D2D-CE."""
    margin: float = Field(0.98, gt=0, le=1)
    """Cosine beyond which a picture is near enough to its proxy."""
    temperature: float = Field(0.5, gt=0)
    optim_d: Adam = Adam(lr=2.8e-4, betas=(0.5, 0.999))
    optim_g: Adam = Adam(lr=2.8e-4, betas=(0.5, 0.999))
    d_steps: int = Field(5, ge=1)

    presets: ClassVar = {
        "tiny": {
            "model": {
                "width": 8,
                "d_width": 8,
                "latent": 4,
                "embedding": 8,
                "point": 8,
                "d_steps": 2,
                "ema": 1000.0,
                **HINGE,
            },
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "width": 48,
                "d_width": 48,
                "embedding": 32,
                "point": 64,
                "ema": 5000.0,
                **HINGE,
                **SHORT,
            },
            "data": {"name": "people", "size": 32, "count": 6000, "variety": 0.35},
            "train": {"batch": 32, "steps": 1800},
        },
        "good": {
            "model": {
                "width": 64,
                "d_width": 64,
                "embedding": 32,
                "point": 128,
                "ema": 10000.0,
                **HINGE,
                **SHORT,
            },
            "data": {"name": "people", "size": 64, "count": 20000, "variety": 0.35},
            "train": {"batch": 64, "steps": 10000, "sample_every": 1000},
        },
        "paper": {
            "model": {"ema": 1_280_000.0, **HINGE},
            "data": {"name": "cifar10", "size": 32},
            "train": {"batch": 128, "steps": 100_000, "sample_every": 1000},
        },
    }
