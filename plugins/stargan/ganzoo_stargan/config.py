"""Options and presets of `stargan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, Config, ModelConfig

AGE_BINS = (18, 29, 39, 49, 59)
PEOPLE = {"name": "people", "nuisance_scale": 0.35}


class LossWeights(Config):
    """Weights of the losses beside the adversarial one."""

    domain: float = Field(1.0, ge=0)
    """Weight of the domain classification."""
    cycle: float = Field(10.0, ge=0)
    """Weight of the cycle back to the source group."""
    gradient_penalty: float = Field(10.0, ge=0)
    """Weight of the gradient penalty of D."""


class StarGANConfig(ModelConfig):
    """`[model]` of stargan."""

    age_bins: tuple[int, ...] = AGE_BINS
    """Inclusive upper edges of the age bins, in years; empty: the labels of the data."""
    g_channels: int = Field(64, ge=1)
    """Channels of the first conv of the generator."""
    num_blocks: int = Field(6, ge=0)
    """Residual blocks of the generator."""
    d_channels: int = Field(64, ge=1)
    """Channels of the first conv of the discriminator; doubled at each lower resolution."""
    loss_weights: LossWeights = LossWeights()
    """Weights of the losses."""
    d_updates: int = Field(5, ge=1)
    """Updates of D in each step, each on its own batch."""
    optim_d: Adam = Adam(lr=1e-4, betas=(0.5, 0.999))
    """The optimizer of the discriminator."""
    optim_g: Adam = Adam(lr=1e-4, betas=(0.5, 0.999))
    """The optimizer of the generator."""
    ema_halflife_images: float | None = Field(None, gt=0)
    """Half-life of the moving average of the generator, in images; none in the paper."""
    steps: int = Field(40_000, gt=0)
    """Length of the training in steps, 200,000 updates of D in the paper; `train.steps` overrides
    it."""

    presets: ClassVar = {
        "smoke": {
            "model": {"g_channels": 4, "num_blocks": 1, "d_channels": 4, "d_updates": 2},
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 8, "steps": 10, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "g_channels": 16,
                "num_blocks": 4,
                "d_channels": 32,
                "d_updates": 2,
                "ema_halflife_images": 3000.0,
                "optim_d": {"lr": 5e-4},
                "optim_g": {"lr": 5e-4},
            },
            "data": {**PEOPLE, "image_size": 32, "count": 8000},
            "train": {"batch_size": 16, "steps": 1200, "lr_scheduler": "constant-linear"},
        },
        "people-64": {
            "model": {"g_channels": 32, "ema_halflife_images": 10000.0},
            "data": {**PEOPLE, "image_size": 64, "count": 20000},
            "train": {"batch_size": 16, "steps": 5000, "lr_scheduler": "constant-linear"},
        },
        "utkface-64": {
            "model": {"g_channels": 32, "ema_halflife_images": 10000.0},
            "data": {"name": "utkface", "image_size": 64, "transform": "face-align"},
            "train": {"batch_size": 16, "steps": 5000, "lr_scheduler": "constant-linear"},
        },
        "paper": {
            "data": {"image_size": 128},
            "train": {"batch_size": 16, "lr_scheduler": "constant-linear"},
        },
    }
