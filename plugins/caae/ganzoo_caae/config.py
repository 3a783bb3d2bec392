"""Options and presets of `caae`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, Config, ModelConfig

PAPER_AGE_BINS = (5, 10, 15, 20, 30, 40, 50, 60, 70)
"""The ten age groups of the paper: 0-5, 6-10, 11-15, 16-20, 21-30 .. 61-70, 71+."""
AGE_BINS = (18, 29, 39, 49, 59)
PEOPLE = {"name": "people", "nuisance_scale": 0.35}
REGULARIZED = {"image": 1e-3, "prior": 1e-2, "total_variation": 1e-3}
"""All losses of the paper; the authors' code has weight 0 for two of them."""


class LossWeights(Config):
    """Weights of the losses of encoder and generator, beside L1."""

    image: float = Field(1e-4, ge=0)
    """Weight of the adversarial loss of images."""
    prior: float = Field(0.0, ge=0)
    """Weight of the adversarial loss of latents, which makes z uniform."""
    total_variation: float = Field(0.0, ge=0)
    """Weight of the total variation."""


class CAAEConfig(ModelConfig):
    """`[model]` of caae."""

    age_bins: tuple[int, ...] = PAPER_AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    e_channels: int = Field(64, ge=1)
    """Channels of the first conv of the encoder; doubled at each lower resolution."""
    g_channels: int = Field(1024, ge=1)
    """Channels of the generator at 4 px; halved at each higher resolution."""
    d_channels: int = Field(16, ge=1)
    """Channels of the first conv of the discriminator of images; doubled in each of four."""
    latent_dim: int = Field(50, ge=1)
    """Length of z."""
    loss_weights: LossWeights = LossWeights()
    """Weights of the losses."""
    optim_d: Adam = Adam()
    """The optimizer of each discriminator."""
    optim_g: Adam = Adam()
    """The optimizer of encoder and generator."""
    ema_halflife_images: float | None = Field(None, gt=0)
    """Half-life of the moving average of encoder and generator, in images; none in the paper."""
    epochs: float = Field(50, gt=0)
    """Length of the training in passes over the data; `train.steps` overrides it."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "age_bins": AGE_BINS,
                "e_channels": 4,
                "g_channels": 32,
                "d_channels": 4,
                "latent_dim": 8,
                "epochs": 1,
            },
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "steps": 10, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "age_bins": AGE_BINS,
                "e_channels": 32,
                "g_channels": 256,
                "loss_weights": REGULARIZED,
                "ema_halflife_images": 3000.0,
                "optim_d": {"lr": 2e-4},
                "optim_g": {"lr": 1e-3},
            },
            "data": {**PEOPLE, "image_size": 32, "count": 8000},
            "train": {"batch_size": 32, "steps": 1000, "lr_scheduler": "cosine"},
        },
        "people-64": {
            "model": {
                "age_bins": AGE_BINS,
                "g_channels": 512,
                "loss_weights": REGULARIZED,
                "ema_halflife_images": 10000.0,
                "optim_g": {"lr": 5e-4},
                "epochs": 20,
            },
            "data": {**PEOPLE, "image_size": 64, "count": 20000},
            "train": {"batch_size": 64, "sample_every": 500, "lr_scheduler": "cosine"},
        },
        "utkface-64": {
            "model": {"age_bins": AGE_BINS, "g_channels": 512, "loss_weights": REGULARIZED},
            "data": {"name": "utkface", "image_size": 64, "transform": "face-align"},
            "train": {"batch_size": 64},
        },
        "paper": {
            "data": {"name": "utkface", "image_size": 128},
            "train": {"batch_size": 100},
        },
    }
