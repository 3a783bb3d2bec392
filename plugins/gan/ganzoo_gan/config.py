"""Options and presets of `gan`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import GANConfig

SLOW = {"kind": "sgd", "lr": 0.1, "momentum": 0.5}
FAST = {"optim_d": {"lr": 2e-4}, "optim_g": {"lr": 2e-4}}
FASTER = {"optim_d": {"lr": 5e-4}, "optim_g": {"lr": 1e-3}}
EVEN = {"loss": {"kind": "bce", "real_target": 0.9}, "cures": {"halt_d_above": 0.75}}
"""Without these D wins on portraits within a hundred rounds."""


class FirstGANConfig(GANConfig):
    """`[model]` of gan."""

    hidden: int = Field(1200, ge=8)
    """Rectified units in each of G's two layers."""
    units: int = Field(240, ge=4)
    """Maxout units in each of D's two layers."""
    pieces: int = Field(5, ge=2)
    """Linear pieces of a maxout unit."""
    latent: int = Field(100, ge=1)
    """Length of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z ~ U(-1, 1) as in the paper, or N(0, 1)."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Share of D's inputs and maxout units that drop out."""
    augment: str = ""
    """What D sees images through: "ada", or such as "flip,translation"; see docs/data.md."""

    presets: ClassVar = {
        "tiny": {
            "model": {"hidden": 32, "units": 16, "latent": 16, "ema": 1000.0, **FAST},
            "data": {"name": "shapes", "size": 16},
            "train": {"batch": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"hidden": 600, "ema": 4000.0, "dropout": 0.3, **FASTER, **EVEN},
            "data": {"name": "people", "size": 32, "count": 6000, "variety": 0.35, "channels": 1},
            "train": {"batch": 32, "steps": 5000},
        },
        "paper": {
            "model": {"optim_d": SLOW, "optim_g": SLOW},
            "data": {"name": "mnist", "size": 28, "channels": 1},
            "train": {"batch": 100},
        },
        "paper-minimax": {
            "model": {"loss": {"kind": "minimax"}, "optim_d": SLOW, "optim_g": SLOW},
            "data": {"name": "mnist", "size": 28, "channels": 1},
            "train": {"batch": 100},
        },
    }
