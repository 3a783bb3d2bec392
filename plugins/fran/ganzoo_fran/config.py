"""Options and presets of `fran`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, AuxiliaryConfig, Config, ModelConfig

AGE_BINS = (18, 29, 39, 49, 59)
"""Groups of the pictures and of the benchmark; the network knows years only."""
PEOPLE_PAIRS = {"name": "people", "nuisance_scale": 0.35, "same_photo": True}
"""All portraits of a person differ in age alone."""
COSINE_WITH_WARMUP = {"lr_scheduler": "cosine", "warmup_steps": 100}


class LossWeights(Config):
    """Weights of the losses of the generator."""

    pixel: float = Field(1.0, ge=0)
    """Weight of L1 to the target."""
    perceptual: float = Field(1.0, ge=0)
    """Weight of the distance to the target in the features of the identity network."""
    adversarial: float = Field(0.05, ge=0)
    """Weight of the adversarial loss."""


class AuxiliariesConfig(Config):
    """`[model.auxiliaries]`."""

    identity: AuxiliaryConfig = AuxiliaryConfig()
    """The face recognition network of the perceptual loss."""
    age: AuxiliaryConfig = AuxiliaryConfig()
    """Estimates the age of a face whose age is not given; no loss uses it."""


class FRANConfig(ModelConfig):
    """`[model]` of fran."""

    age_bins: tuple[int, ...] = AGE_BINS
    """Inclusive upper edges of the age bins of the pictures and of the benchmark, in years."""
    base_channels: int = Field(64, ge=1)
    """Channels of the U-Net at the full resolution; doubled at each lower one."""
    num_halvings: int = Field(4, ge=1, le=6)
    """Halvings of the resolution in the U-Net."""
    d_channels: int = Field(64, ge=1)
    """Channels of the first conv of the discriminator."""
    loss_weights: LossWeights = LossWeights()
    """Weights of the losses."""
    auxiliaries: AuxiliariesConfig = AuxiliariesConfig()
    """The frozen networks."""
    optim_d: Adam = Adam(lr=1e-4, betas=(0.9, 0.999))
    """The optimizer of the discriminator."""
    optim_g: Adam = Adam(lr=1e-4, betas=(0.9, 0.999))
    """The optimizer of the U-Net."""
    ema_halflife_images: float | None = Field(None, gt=0)
    """Half-life of the moving average of the U-Net, in images; none in the paper."""
    steps: int = Field(100_000, gt=0)
    """Length of the training in steps; `train.steps` overrides it."""

    presets: ClassVar = {
        "smoke": {
            "model": {"base_channels": 4, "d_channels": 4, "num_halvings": 2},
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 8, "steps": 10, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "base_channels": 16,
                "d_channels": 16,
                "ema_halflife_images": 3000.0,
                "optim_d": {"lr": 2e-4},
                "optim_g": {"lr": 1e-3},
            },
            "data": {**PEOPLE_PAIRS, "image_size": 32, "count": 8000},
            "train": {"batch_size": 16, "steps": 1600, **COSINE_WITH_WARMUP},
        },
        "people-64": {
            "model": {
                "base_channels": 32,
                "d_channels": 32,
                "ema_halflife_images": 10000.0,
                "optim_g": {"lr": 5e-4},
            },
            "data": {**PEOPLE_PAIRS, "image_size": 64, "count": 24000},
            "train": {"batch_size": 24, "steps": 5000, "sample_every": 500, **COSINE_WITH_WARMUP},
        },
        "utkface-64": {
            "model": {
                "base_channels": 32,
                "d_channels": 32,
                "ema_halflife_images": 10000.0,
                "optim_g": {"lr": 5e-4},
            },
            "data": {"name": "table", "image_size": 64},
            "train": {"batch_size": 24, "steps": 5000, "sample_every": 500, **COSINE_WITH_WARMUP},
        },
        "paper": {
            "data": {
                **PEOPLE_PAIRS,
                "image_size": 512,
                "count": 28000,
                "photos_per_person": 14,
                "min_age": 18,
                "max_age": 85,
            }
        },
    }
