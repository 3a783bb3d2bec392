"""Options and presets of `ipcgan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, AuxiliaryConfig, Config, ModelConfig

PAPER_AGE_BINS = (20, 30, 40, 50)
"""The five age groups of the paper: 11-20, 21-30, 31-40, 41-50, 51+."""
AGE_BINS = (18, 29, 39, 49, 59)
PEOPLE = {"name": "people", "nuisance_scale": 0.35}


class LossWeights(Config):
    """Weights of the adversarial, the identity and the age loss."""

    adversarial: float = Field(75.0, ge=0)
    """Weight of the adversarial loss."""
    identity: float = Field(5e-5, ge=0)
    """Weight of the squared distance in the features of the identity network."""
    age: float = Field(30.0, ge=0)
    """Weight of the cross-entropy of the age group."""


class AuxiliariesConfig(Config):
    """`[model.auxiliaries]`."""

    identity: AuxiliaryConfig = AuxiliaryConfig()
    """The face recognition network of the identity loss."""
    age: AuxiliaryConfig = AuxiliaryConfig()
    """The age estimator of the age loss."""


class IPCGANConfig(ModelConfig):
    """`[model]` of ipcgan."""

    age_bins: tuple[int, ...] = PAPER_AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    g_channels: int = Field(32, ge=1)
    """Channels of the first conv of the generator."""
    num_blocks: int = Field(6, ge=0)
    """Residual blocks of the generator."""
    d_channels: int = Field(64, ge=1)
    """Channels of the first conv of the discriminator."""
    loss_weights: LossWeights = LossWeights()
    """Weights of the losses."""
    auxiliaries: AuxiliariesConfig = AuxiliariesConfig()
    """The frozen networks of the losses."""
    optim_d: Adam = Adam(lr=1e-3, betas=(0.5, 0.999))
    """The optimizer of the discriminator."""
    optim_g: Adam = Adam(lr=1e-3, betas=(0.5, 0.999))
    """The optimizer of the generator."""
    ema_halflife_images: float | None = Field(None, gt=0)
    """Half-life of the moving average of the generator, in images; none in the paper."""
    steps: int = Field(200_000, gt=0)
    """Length of the training in steps; `train.steps` overrides it."""

    presets: ClassVar = {
        "smoke": {
            "model": {"age_bins": AGE_BINS, "g_channels": 4, "num_blocks": 1, "d_channels": 4},
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 8, "steps": 10, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "age_bins": AGE_BINS,
                "g_channels": 16,
                "num_blocks": 4,
                "d_channels": 16,
                "ema_halflife_images": 3000.0,
            },
            "data": {**PEOPLE, "image_size": 32, "count": 8000},
            "train": {"batch_size": 16, "steps": 1500, "lr_scheduler": "cosine"},
        },
        "people-64": {
            "model": {
                "age_bins": AGE_BINS,
                "d_channels": 32,
                "ema_halflife_images": 10000.0,
            },
            "data": {**PEOPLE, "image_size": 64, "count": 20000},
            "train": {"batch_size": 32, "steps": 4000, "lr_scheduler": "cosine"},
        },
        "utkface-64": {
            "model": {
                "age_bins": AGE_BINS,
                "d_channels": 32,
                "ema_halflife_images": 10000.0,
                "auxiliaries": {"identity": {"weights": "train"}, "age": {"weights": "train"}},
            },
            "data": {"name": "utkface", "image_size": 64, "transform": "face-align"},
            "train": {"batch_size": 32, "steps": 4000, "lr_scheduler": "cosine"},
        },
        "paper": {"data": {"image_size": 128}, "train": {"batch_size": 32}},
    }
