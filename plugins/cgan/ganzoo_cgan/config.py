"""Options and presets of `cgan`."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ganzoo_core import GANConfig, NormedConfig

REPORT_GROUPS = (18, 29, 39, 49, 59)
"""The report's six age groups: 0-18, 19-29, 30-39, 40-49, 50-59, 60+."""

FAST = {"optim_d": {"lr": 4e-4}, "optim_g": {"lr": 4e-4}}
FASTER = {"optim_d": {"lr": 1.5e-3}, "optim_g": {"lr": 1.5e-3}}
SMOOTH = {"kind": "bce", "real_target": 0.9}
SHARP = {**SMOOTH, "mismatch": 0.5}
"""Not of the literature's cGANs: keeps neighbouring age groups apart."""
PEOPLE = {
    "reading": "reed",
    "up": "nearest",
    "classes": 1.0,
    "width": 32,
    "loss": SHARP,
    "augment": "fine-grain",
    **FASTER,
}
"""Of drawn portraits: what each does stands in docs/results.md."""
REPORT = {"data": {"size": 64}, "train": {"batch": 128, "checkpoint_every": 200}}
SLOW = {"kind": "sgd", "lr": 0.1, "momentum": 0.5}


class CGANConfig(GANConfig):
    """`[model]` of cgan."""

    groups: tuple[int, ...] = REPORT_GROUPS
    """Inclusive upper edges of the age groups, in years; empty to use the data's own labels."""
    reading: Literal["notebook", "slides", "reed", "mirza"] = "notebook"
    """Where the label maps join D: after its first conv or with the image (the report's two
    readings), or after its last norm (Reed's); or the perceptrons of the founding paper."""
    width: int = Field(64, ge=4)
    """Channels of the widest maps; deeper ones have multiples of it."""
    latent: int = Field(100, ge=1)
    """Length of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z ~ U(-1, 1) as in the report, or N(0, 1)."""
    output: Literal["tanh", "relu"] = "tanh"
    """relu is what the report's slide says, an obvious slip: data lie in [-1, 1]."""
    up: Literal["deconv", "nearest"] = "deconv"
    """How G doubles the edge: transposed convs as in the report, or nearest neighbours and a conv,
    and then one more at full size; these draw fewer checkerboards."""
    classes: float = Field(0.0, ge=0)
    """Weight of ADC-GAN's classifier in D (Hou et al. 2021, arXiv 2107.10060), for `reading=reed`;
    1 in its paper."""
    discriminator: NormedConfig = NormedConfig()
    augment: str = ""
    """What D sees images through: "ada", or such as "flip,translation"; see docs/data.md."""

    @model_validator(mode="after")
    def classes_apart(self) -> Self:
        """Refuse a classifier on maps that have met the label."""
        if self.classes and self.reading != "reed":
            raise ValueError(
                f"model.classes: D of reading={self.reading} sees the label everywhere, so it "
                "cannot be asked for it: --set model.reading=reed, or --set model.classes=0"
            )
        return self

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 8, "latent": 16, "ema": 1000.0},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {**PEOPLE, "ema": 5000.0},
            "data": {"name": "people", "size": 32, "count": 6000, "variety": 0.35},
            "train": {"batch": 32, "steps": 2800},
        },
        "good": {
            "model": {**PEOPLE, "balanced": True, "ema": 15000.0},
            "data": {"name": "people", "size": 64, "count": 16000, "photos": 1, "variety": 0.35},
            "train": {"batch": 32, "steps": 5000, "sample_every": 1000},
        },
        "fashion": {
            "model": {"width": 32, "loss": SMOOTH, "ema": 20000.0, **FAST},
            "data": {"name": "fashion-mnist", "size": 32, "channels": 1},
            "train": {"batch": 128, "steps": 6000, "sample_every": 1000},
        },
        "report-notebook": {**REPORT},
        "report-slides": {
            "model": {"reading": "slides", "loss": {"kind": "bce", "half": True}},
            **REPORT,
        },
        "mirza": {
            "model": {"reading": "mirza", "groups": (), "optim_d": SLOW, "optim_g": SLOW},
            "data": {"name": "mnist", "size": 28, "channels": 1},
            "train": {"batch": 100},
        },
    }
