"""Options and presets of `reacgan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, GANConfig

AGE_BINS = (18, 29, 39, 49, 59)
HINGE_D2D_CE = {"loss": {"kind": "hinge"}, "terms": {"d2d-ce": {"weight": 0.5}}}
ADAM_2_8E4 = Adam(lr=2e-4 * 2**0.5, betas=(0.5, 0.999), eps=1e-6)
SHORT_RUN = {
    "optim_d": {"lr": 4e-4, "betas": (0.0, 0.9)},
    "optim_g": {"lr": 2e-4, "betas": (0.0, 0.9)},
    "terms": {"d2d-ce": {"weight": 0.25}},
    "d_updates": 1,
}
"""For the short presets: half the weight of D2D-CE, and the betas of SNGAN."""


class ReACGANConfig(GANConfig):
    """`[model]` of reacgan."""

    age_bins: tuple[int, ...] = AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    g_channels: int = Field(384, ge=4)
    """Channels of G at up to 32 px; halved at each doubling above."""
    d_channels: int = Field(192, ge=4)
    """Channels of D at up to 32 px; halved at each doubling above."""
    latent_chunk_dim: int = Field(20, ge=1)
    """Length of each chunk of z: one for the first layer of G, one for each block."""
    class_embed_dim: int = Field(128, ge=1)
    """Length of the class embedding in G."""
    embed_dim: int = Field(512, ge=2)
    """Length of the image embedding in D."""
    ema_copy_images: int = Field(0, ge=0)
    """Images in which the average is a copy of the weights; 0 for the ramp of StyleGAN2."""
    optim_d: Adam = ADAM_2_8E4
    """The optimizer of the discriminator."""
    optim_g: Adam = ADAM_2_8E4
    """The optimizer of the generator."""
    d_updates: int = Field(5, ge=1)
    """Updates of D in each step, each on its own batch; 5 in the paper."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "g_channels": 8,
                "d_channels": 8,
                "latent_chunk_dim": 4,
                "class_embed_dim": 8,
                "embed_dim": 8,
                "d_updates": 2,
                "ema_halflife_images": 1000.0,
                **HINGE_D2D_CE,
            },
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "g_channels": 48,
                "d_channels": 48,
                "class_embed_dim": 32,
                "embed_dim": 64,
                "ema_halflife_images": 5000.0,
                **HINGE_D2D_CE,
                **SHORT_RUN,
            },
            "data": {"name": "people", "image_size": 32, "count": 6000, "nuisance_scale": 0.35},
            "train": {"batch_size": 32, "steps": 1800},
        },
        "people-64": {
            "model": {
                "g_channels": 64,
                "d_channels": 64,
                "class_embed_dim": 32,
                "embed_dim": 128,
                "ema_halflife_images": 10000.0,
                **HINGE_D2D_CE,
                **SHORT_RUN,
            },
            "data": {"name": "people", "image_size": 64, "count": 20000, "nuisance_scale": 0.35},
            "train": {"batch_size": 64, "steps": 10000, "sample_every": 1000},
        },
        "paper": {  # the half-life of a decay of 0.9999 for each batch
            "model": {
                "ema_halflife_images": 887_184.0,
                "ema_copy_images": 128_000,
                **HINGE_D2D_CE,
            },
            "data": {"name": "cifar10", "image_size": 32},
            "train": {"batch_size": 128, "steps": 100_000, "sample_every": 1000},
        },
    }
