"""Options and presets of `idcgan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, Config, JudgeConfig, ModelConfig

GROUPS = (18, 29, 39, 49, 59)


class Weights(Config):
    """Weights of the four losses of encoder and generator."""

    adversarial: float = Field(1.0, ge=0)
    pixel: float = Field(100.0, ge=0)
    """Of |G(E(x), y) - x| at the face's own age."""
    age: float = Field(1.0, ge=0)
    """Of the distance in decades to the mean age of the group."""
    feature: float = Field(1.0, ge=0)
    """Of D's middle layer, between the face and the same face at another age."""


class IDCGANConfig(ModelConfig):
    """`[model]` of idcgan."""

    groups: tuple[int, ...] = GROUPS
    """Inclusive upper edges of the age groups, in years."""
    width: int = Field(64, ge=4)
    """Channels of the widest maps; deeper ones have multiples of it."""
    latent: int = Field(256, ge=1)
    """Length of the person's z."""
    repeat: int = Field(8, ge=1)
    """Times the connector repeats the age, so that z does not drown it."""
    weights: Weights = Weights()
    real_target: float = Field(1.0, gt=0.5, le=1)
    """What D is to say of real faces; below 1: one-sided label smoothing."""
    age: JudgeConfig = JudgeConfig()
    """The frozen age network."""
    optim_d: Adam = Adam()
    optim_g: Adam = Adam()
    """Of encoder and generator together."""
    ema: float | None = Field(None, gt=0)
    """Half-life of the average of encoder and generator, in images."""
    epochs: float = Field(50, gt=0)

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 8, "latent": 16, "ema": 1000.0, "epochs": 1},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "width": 32,
                "real_target": 0.9,
                "ema": 5000.0,
                "epochs": 20,
                "optim_d": {"lr": 4e-4},
                "optim_g": {"lr": 1e-3},
            },
            "data": {"name": "people", "variety": 0.35, "size": 64, "count": 6000},
            "train": {"batch": 32},
        },
        "good": {
            "model": {
                "width": 64,
                "real_target": 0.9,
                "ema": 10000.0,
                "epochs": 30,
                "optim_d": {"lr": 4e-4},
                "optim_g": {"lr": 5e-4},
            },
            "data": {"name": "people", "variety": 0.35, "size": 64, "count": 20000},
            "train": {"batch": 64, "sample_every": 500},
        },
        "utkface": {"data": {"name": "utkface", "size": 64}, "train": {"batch": 64}},
    }
