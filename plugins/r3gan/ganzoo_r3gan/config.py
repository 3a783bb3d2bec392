"""Options and presets of `r3gan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, GANConfig

AGE_BINS = (18, 29, 39, 49, 59)
ADAM_2E4_BETA1_0 = Adam(lr=2e-4, betas=(0.0, 0.99))


def r1_r2(gamma):
    """Return the relativistic loss with R1 and R2 of weight gamma."""
    return {
        "loss": {"kind": "relativistic"},
        "terms": {"r1": {"weight": gamma}, "r2": {"weight": gamma}},
    }


class R3GANConfig(GANConfig):
    """`[model]` of r3gan."""

    age_bins: tuple[int, ...] = AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    base_channels: int = Field(768, ge=4)
    """Channels at up to 32 px; halved at each doubling above."""
    blocks_per_resolution: int = Field(2, ge=1)
    """Residual blocks at each resolution."""
    latent_dim: int = Field(64, ge=1)
    """Length of z."""
    augment: str = ""
    """Augmentation of the images that D receives: `scheduled`, the authors' operations with a
    probability that rises to `augment_p`; or names such as "flip,translation"."""
    augment_p: float = Field(0.55, ge=0, le=1)
    """Probability of each operation of `augment=scheduled` after the burn-in."""
    mirror: bool = False
    """Flip real images with probability 1/2, as if the data set also held their mirror images."""
    burn_in_images: int | None = Field(None, ge=1)
    """Images during which the authors' schedules run: the weights of R1 and R2 fall to 1/10, the
    learning rates to 1/4; the second beta rises from 0.9 to its option, the half-life of the
    average and the probability of the augmentation from 0 to theirs. none: all are constant."""
    optim_d: Adam = ADAM_2E4_BETA1_0
    """The optimizer of the discriminator."""
    optim_g: Adam = ADAM_2E4_BETA1_0
    """The optimizer of the generator."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "base_channels": 8,
                "blocks_per_resolution": 1,
                "latent_dim": 8,
                "ema_halflife_images": 1000.0,
                **r1_r2(0.5),
            },
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "base_channels": 24,
                "blocks_per_resolution": 1,
                "ema_halflife_images": 3000.0,
                **r1_r2(0.5),
                "optim_d": {"lr": 1e-3},
                "optim_g": {"lr": 1e-3},
            },
            "data": {"name": "people", "image_size": 32, "count": 6000, "nuisance_scale": 0.35},
            "train": {"batch_size": 16, "steps": 1000},
        },
        "people-64": {
            "model": {
                "base_channels": 96,
                "blocks_per_resolution": 1,
                "ema_halflife_images": 20000.0,
                **r1_r2(1.0),
                "optim_d": {"lr": 5e-4},
                "optim_g": {"lr": 5e-4},
            },
            "data": {"name": "people", "image_size": 64, "count": 20000, "nuisance_scale": 0.35},
            "train": {"batch_size": 64, "steps": 10000, "sample_every": 1000},
        },
        "paper": {
            "model": {
                "ema_halflife_images": 5_000_000.0,
                "augment": "scheduled",
                "mirror": True,
                "burn_in_images": 20_000_000,
                "epochs": 400,
                **r1_r2(0.05),
            },
            "data": {"name": "cifar10", "image_size": 32},
            "train": {"batch_size": 512},
        },
    }
