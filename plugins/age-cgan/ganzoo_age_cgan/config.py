"""Options and presets of `age-cgan`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import Adam, GANConfig, JudgeConfig, NormedConfig

GROUPS = (18, 29, 39, 49, 59)
"""The paper's six age categories: 0-18, 19-29, 30-39, 40-49, 50-59, 60+."""

FAST = {"optim_d": {"lr": 4e-4}, "optim_g": {"lr": 4e-4}, "optim_e": {"lr": 5e-4}}
FASTER = {"optim_d": {"lr": 1e-3}, "optim_g": {"lr": 1e-3}, "optim_e": {"lr": 1e-3}}
SMOOTH = {"kind": "bce", "real_target": 0.9}
SHARP = {
    "loss": {**SMOOTH, "mismatch": 0.5},
    "balanced": True,
    "discriminator": {"norm": "layer"},
}
"""Not of the paper: keeps neighbouring age groups apart."""
PEOPLE = {"name": "people", "variety": 0.35}


class AgeCGANConfig(GANConfig):
    """`[model]` of age-cgan."""

    groups: tuple[int, ...] = GROUPS
    """Inclusive upper edges of the age groups, in years."""
    width: int = Field(64, ge=4)
    """Channels of the widest maps; deeper ones have multiples of it."""
    latent: int = Field(100, ge=1)
    """Length of z."""
    discriminator: NormedConfig = NormedConfig()
    optim_e: Adam = Adam()
    epochs: float = Field(100, gt=0)
    """Of stage 1, the conditional GAN."""
    pairs: int = Field(100_000, ge=1)
    """Of stage 2: generated pairs that the encoder learns from, streamed, each seen once."""
    identity: JudgeConfig = JudgeConfig()
    """The face recogniser of stage 3, frozen."""
    objective: Literal["identity", "pixels", "both"] = "identity"
    """What stage 3 minimises: distance of embeddings, of pixels, or their sum."""
    pixel_weight: float = Field(1.0, ge=0)
    """Of the pixels in "both"."""
    rounds: int = Field(50, ge=0)
    """Steps of L-BFGS a face takes at most; 0 leaves the encoder's guess."""

    presets: ClassVar = {
        "tiny": {
            "model": {
                "width": 8,
                "latent": 16,
                "ema": 1000.0,
                "pairs": 160,
                "rounds": 3,
            },
            "data": {"name": "shapes", "size": 32},
            "train": {
                "batch": 16,
                "sample_every": 10,
                "log_every": 5,
                "gan": {"rounds": 10},
            },
        },
        "quick": {
            "model": {
                "width": 32,
                "loss": SMOOTH,
                "ema": 5000.0,
                "pairs": 20_000,
                "objective": "both",
                **FAST,
            },
            "data": {**PEOPLE, "size": 64, "count": 6000},
            "train": {"batch": 32, "gan": {"rounds": 2500}},
        },
        "good": {
            "model": {
                "width": 32,
                "ema": 10000.0,
                "pairs": 30_000,
                "objective": "both",
                **SHARP,
                **FASTER,
            },
            "data": {**PEOPLE, "size": 64, "count": 12000, "photos": 2},
            "train": {"batch": 32, "sample_every": 500, "gan": {"rounds": 4500}},
        },
        "paper": {"data": {"name": "imdb-wiki", "size": 64}, "train": {"batch": 64}},
    }
