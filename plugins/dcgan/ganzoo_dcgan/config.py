"""Options and presets of `dcgan`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import GANConfig, NormedConfig

SMOOTH = {"kind": "bce", "real_target": 0.9}


class DiscriminatorConfig(NormedConfig):
    """`[model.discriminator]`."""

    first: bool = False
    """Norm on the first conv too, as in the report's notebook; the paper leaves it bare."""


class DCGANConfig(GANConfig):
    """`[model]` of dcgan."""

    width: int = Field(64, ge=4)
    """Channels of the widest maps; each halving doubles them, to eight times at most."""
    widths: tuple[int, ...] = ()
    """Channels of each of D's convs and, turned round, of G's, in place of `width`."""
    latent: int = Field(100, ge=1)
    """Length of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z ~ U(-1, 1) as in the paper, or N(0, 1)."""
    init: float | None = Field(0.02, gt=0)
    """Weights begin as N(0, init); none for torch's own."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    augment: str = ""
    """What D sees images through: "ada", or such as "flip,translation"; see docs/data.md."""
    epochs: float = Field(25, gt=0)

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 8, "latent": 16, "ema": 1000.0},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"width": 32, "loss": SMOOTH, "ema": 5000.0},
            "data": {"name": "people", "size": 32, "count": 6000, "variety": 0.35},
            "train": {"batch": 32, "steps": 2500},
        },
        "good": {
            "model": {
                "width": 32,
                "loss": SMOOTH,
                "ema": 20000.0,
                "optim_d": {"lr": 4e-4},
                "optim_g": {"lr": 4e-4},
            },
            "data": {"name": "fashion-mnist", "size": 32, "channels": 1},
            "train": {"batch": 128, "steps": 4000, "sample_every": 1000},
        },
        "paper": {"data": {"size": 64}, "train": {"batch": 128}},
        "report-slides": {
            "model": {
                "widths": (6, 10, 15, 25),
                "init": None,
                "epochs": 100,
                "optim_d": {"lr": 4e-3, "betas": (0.65, 0.999)},
                "optim_g": {"lr": 4e-3, "betas": (0.65, 0.999)},
            },
            "data": {"size": 64},
            "train": {"batch": 128},
        },
        "report-notebook": {
            "model": {
                "width": 16,
                "latent": 128,
                "prior": "normal",
                "init": None,
                "epochs": 100,
                "discriminator": {"first": True},
                "optim_d": {"lr": 4e-4, "betas": (0.6, 0.999)},
                "optim_g": {"lr": 4e-4, "betas": (0.6, 0.999)},
            },
            "data": {"size": 64},
            "train": {"batch": 128},
        },
    }
