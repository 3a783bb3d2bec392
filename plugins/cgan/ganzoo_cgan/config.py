"""Options and presets of `cgan`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import Adam, ModelConfig

REPORT_GROUPS = (18, 29, 39, 49, 59)
"""The report's six age groups: 0-18, 19-29, 30-39, 40-49, 50-59, 60+."""

FAST = {"optim_d": {"lr": 4e-4}, "optim_g": {"lr": 4e-4}}
REPORT = {"data": {"size": 64}, "train": {"batch": 128, "checkpoint_every": 200}}


class CGANConfig(ModelConfig):
    """`[model]` of cgan."""

    groups: tuple[int, ...] = REPORT_GROUPS
    """Inclusive upper edges of the age groups, in years; empty to use the data's own labels."""
    width: int = Field(64, ge=4)
    """Channels of the widest maps; deeper ones have multiples of it."""
    latent: int = Field(100, ge=1)
    """Length of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z ~ U(-1, 1) as in the report, or N(0, 1)."""
    discriminator: Literal["notebook", "slides"] = "notebook"
    """The report's two readings: label maps joined after the first conv, or to the image."""
    output: Literal["tanh", "relu"] = "tanh"
    """relu is what the report's slide says, an obvious slip: data lie in [-1, 1]."""
    real_target: float = Field(1.0, gt=0.5, le=1)
    """Below 1: one-sided label smoothing; the report uses 0.9."""
    half: bool = False
    """Halve the discriminator's loss, as the slide does; the notebook sums."""
    augment: str = ""
    """What D sees images through, such as "flip,translation"; see `ganzoo_core.data.augment`."""
    optim_d: Adam = Adam()
    optim_g: Adam = Adam()
    ema: float | None = None
    """Half-life of the generator's average, in images; none in the report."""
    epochs: float = Field(50, gt=0)

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 8, "latent": 16, "ema": 1000.0},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"width": 32, "real_target": 0.9, "ema": 5000.0, **FAST},
            "data": {"name": "people", "size": 32, "count": 6000, "variety": 0.35},
            "train": {"batch": 32, "steps": 3000},
        },
        "good": {
            "model": {"width": 64, "real_target": 0.9, "ema": 10000.0},
            "data": {"name": "people", "size": 64, "count": 20000, "variety": 0.5},
            "train": {"batch": 64, "steps": 6000, "sample_every": 500},
        },
        "report-notebook": {**REPORT},
        "report-slides": {"model": {"discriminator": "slides", "half": True}, **REPORT},
    }
