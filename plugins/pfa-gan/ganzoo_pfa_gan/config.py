"""Options and presets of `pfa-gan`."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from ganzoo_core import Adam, Config, JudgeConfig, ModelConfig

PAPER_GROUPS = (30, 40, 50)
REPORT_GROUPS = (18, 29, 39, 49, 59)
"""The source report's six groups: 0-18, 19-29, 30-39, 40-49, 50-59, 60+."""

TAUGHT = {
    "start": 0.0,
    "view": "flip,jitter",
    "ema": 3000.0,
    "head": 100,
    "weights": {"adversarial": 1.0, "age": 1.2e-5, "identity": 0.3, "feature": 0.2},
    "mismatch": True,
    "d_steps": 2,
    "optim_d": {"lr": 4e-4, "betas": (0.9, 0.99)},
    "optim_g": {"lr": 1.5e-4},
}
"""Not of the paper: see the README."""

BEHIND_GRAIN = {
    **TAUGHT,
    "view": "flip,jitter,grey,grain",
    "weights": {**TAUGHT["weights"], "age": 2e-5},
}
"""Of photographs: neither colours nor fine patterns move an age judge that learned so too."""

JOINED_LATE = {
    **TAUGHT,
    "discriminator": {"norm": "batch"},
    "weights": {**TAUGHT["weights"], "embedding": 0.3},
}
"""Of drawn portraits at full width: a D that asks for more, and people who stay who they are."""

FALLING = {"schedule": "cosine", "warmup": 200}
"""`[train]` beside it. Without the warm-up, the first steps throw all pixels out of range."""


class Weights(Config):
    """Weights of the generator's losses."""

    adversarial: float = Field(100.0, ge=0)
    age: float = Field(0.4, ge=0)
    """Of squared years and cross-entropy of the group together."""
    identity: float = Field(0.02, ge=0)
    """Of (1 - alpha) L1 + alpha (1 - SSIM) + feature |F - F|^2 + embedding |e - e|^2."""
    feature: float = Field(1.25, ge=0)
    """Inside identity."""
    embedding: float = Field(0.0, ge=0)
    """Inside identity; of the judge's unit vectors, behind `view`. None in the paper."""


class DiscriminatorConfig(Config):
    """`[model.discriminator]`."""

    norm: Literal["spectral", "batch"] = "spectral"
    """What holds D: spectral norm as in the paper, or BatchNorm, after which the group joins."""


class PFAConfig(ModelConfig):
    """`[model]` of pfa-gan."""

    groups: tuple[int, ...] = PAPER_GROUPS
    """Inclusive upper edges of the age groups, in years."""
    direction: Literal["ageing", "rejuvenation", "both"] = "ageing"
    """both trains a second, reversed row of sub-networks."""
    width: int = Field(32, ge=4)
    """Channels of the first maps of each sub-network."""
    start: float = Field(0.02, ge=0)
    """Deviation of the last conv's first weights; 0: training starts from the identity."""
    weights: Weights = Weights()
    alpha: float = Field(0.15, ge=0, le=1)
    """Share of SSIM against L1."""
    view: str = ""
    """What the age judge sees aged faces through, such as "flip,jitter,grey,grain", so that no
    pattern of pixels or colours fools it, if it learned so too (its `model.augment`); see
    `ganzoo_core.data.augment`. Nothing in the paper."""
    identity: JudgeConfig = JudgeConfig()
    """The frozen identity network, by its middle layer."""
    age: JudgeConfig = JudgeConfig()
    """The frozen age network."""
    optim_d: Adam = Adam(lr=1e-4, betas=(0.5, 0.99))
    optim_g: Adam = Adam(lr=1e-4, betas=(0.5, 0.99))
    ema: float | None = None
    """Half-life of the sub-networks' average, in images; none in the paper."""
    head: int = Field(0, ge=0)
    """Rounds at the start in which D learns alone; none in the paper."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    mismatch: bool = False
    """Show D the sources as they are under their targets' groups too, as false ones (as IPCGAN
    does, Wang et al. 2018); not in the paper."""
    d_steps: int = Field(1, ge=1)
    """D steps a round, each on a batch of its own; 1 in the paper."""
    rounds: int = Field(200_000, gt=0)

    @field_validator("groups")
    @classmethod
    def rising(cls, edges: tuple[int, ...]) -> tuple[int, ...]:
        """Refuse fewer than two groups, and edges that do not rise."""
        if not edges or list(edges) != sorted(set(edges)) or not 0 <= edges[0] <= edges[-1] < 100:
            raise ValueError("edges of two groups or more rise from 0 to 99, such as [30, 40, 50]")
        return edges

    presets: ClassVar = {
        "tiny": {
            "model": {"groups": REPORT_GROUPS, "width": 4, "start": 0.0, "ema": 1000.0},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 8, "steps": 10, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"groups": REPORT_GROUPS, "width": 16, **TAUGHT},
            "data": {"name": "people", "size": 64, "count": 4000, "variety": 0.35},
            "train": {"batch": 15, "steps": 650, **FALLING},
        },
        "people-64": {
            "model": {"groups": REPORT_GROUPS, **JOINED_LATE},
            "data": {"name": "people", "size": 64, "count": 12000, "photos": 2, "variety": 0.35},
            "train": {"batch": 24, "steps": 1200, "checkpoint_every": 200, **FALLING},
        },
        "paper": {"data": {"size": 256}, "train": {"batch": 48}},
        "utkface-128": {
            "model": {"groups": REPORT_GROUPS, **BEHIND_GRAIN},
            "data": {"name": "utkface", "size": 128},
            "train": {"batch": 30, "steps": 20000, **FALLING},
        },
    }
