"""Options and presets of `sngan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, GANConfig

AGE_BINS = (18, 29, 39, 49, 59)
ADAM_2E4_BETA1_0 = Adam(lr=2e-4, betas=(0.0, 0.9))
HINGE = {"loss": {"kind": "hinge"}}


class SNGANConfig(GANConfig):
    """`[model]` of sngan."""

    age_bins: tuple[int, ...] = AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    g_channels: int = Field(256, ge=4)
    """Channels of G at up to 32 px; halved at each doubling above."""
    d_channels: int = Field(128, ge=4)
    """Channels of D at up to 32 px; halved at each doubling above."""
    latent_dim: int = Field(128, ge=1)
    """Length of z."""
    projection: bool = True
    """D adds the inner product of the class embedding and the features, for data with classes."""
    optim_d: Adam = ADAM_2E4_BETA1_0
    """The optimizer of the discriminator."""
    optim_g: Adam = ADAM_2E4_BETA1_0
    """The optimizer of the generator."""
    d_updates: int = Field(5, ge=1)
    """Updates of D in each step, each on its own batch; 5 in the paper."""
    g_batch_factor: int = Field(1, ge=1)
    """Fakes in an update of G for each real image of the batch; 2 in the authors' code."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "g_channels": 8,
                "d_channels": 8,
                "latent_dim": 16,
                "d_updates": 2,
                "ema_halflife_images": 1000.0,
                **HINGE,
            },
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "g_channels": 48,
                "d_channels": 48,
                "d_updates": 1,
                "ema_halflife_images": 5000.0,
                **HINGE,
                "optim_d": {"lr": 4e-4},
            },
            "data": {"name": "people", "image_size": 32, "count": 6000, "nuisance_scale": 0.35},
            "train": {"batch_size": 32, "steps": 1800},
        },
        "people-64": {
            "model": {
                "g_channels": 64,
                "d_channels": 64,
                "d_updates": 1,
                "ema_halflife_images": 10000.0,
                **HINGE,
                "optim_d": {"lr": 4e-4},
            },
            "data": {"name": "people", "image_size": 64, "count": 20000, "nuisance_scale": 0.35},
            "train": {"batch_size": 64, "steps": 10000, "sample_every": 1000},
        },
        "paper": {
            "model": {"g_batch_factor": 2, **HINGE},
            "data": {"name": "cifar10", "image_size": 32},
            "train": {
                "batch_size": 64,
                "steps": 50000,
                "lr_scheduler": "linear",
                "sample_every": 1000,
            },
        },
    }
