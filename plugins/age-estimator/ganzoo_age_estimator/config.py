"""Options and presets of `age-estimator`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import Adam, ModelConfig

REPORT_GROUPS = (18, 29, 39, 49, 59)
PFA_GROUPS = (30, 40, 50)
"""PFA-GAN's four groups: 0-30, 31-40, 41-50, 51+."""
JUDGE_DATA = {"name": "people", "size": 64, "count": 96000, "photos": 4}
JUDGE_TRAIN = {
    "batch": 128,
    "schedule": "cosine",
    "warmup": 120,
    "log_every": 50,
    "checkpoint_every": 1000,
}


class AgeConfig(ModelConfig):
    """`[model]` of age-estimator."""

    network: Literal["pfa", "slim", "residual", "resnet18"] = "slim"
    """PFA-GAN's network; its layout made slim; a slim residual one; ResNet-18."""
    width: int = Field(32, ge=4)
    """Channels of the first maps of `slim` and `residual`; `pfa` has 64."""
    groups: tuple[int, ...] = REPORT_GROUPS
    """Inclusive upper edges of the age groups, in years."""
    spread: float = Field(3.0, ge=0)
    """Years by which the target distribution is blurred; 0 is the plain cross entropy of DEX."""
    expectation: float = Field(0.1, ge=0)
    """Weight of the error of the expected age, in years."""
    group: float = Field(0.1, ge=0)
    """Weight of the cross entropy of the age group."""
    augment: str = ""
    """What training images go through, such as "flip,jitter"; see `ganzoo_core.data.augment`."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    ema: float | None = 20000.0
    """Half-life of the average of the weights, in images."""
    epochs: float = Field(20, gt=0)

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 8, "ema": 100.0, "epochs": 2},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "log_every": 5},
        },
        "quick": {
            "model": {"epochs": 5, "optim": {"lr": 2e-3}},
            "data": {"name": "people", "size": 64, "count": 8000, "photos": 8, "split": "judge-a"},
            "train": JUDGE_TRAIN,
        },
        "people": {
            "model": {"epochs": 6, "augment": "flip", "optim": {"lr": 2e-3}},
            "data": {**JUDGE_DATA, "split": "judge-a"},
            "train": JUDGE_TRAIN,
        },
        "people-held-out": {
            "model": {
                "network": "residual",
                "epochs": 6,
                "augment": "flip",
                "optim": {"lr": 2e-3},
            },
            "data": {**JUDGE_DATA, "split": "judge-b"},
            "train": {**JUDGE_TRAIN, "seed": 1},
        },
        "pfa-gan": {
            "model": {
                "network": "pfa",
                "groups": PFA_GROUPS,
                "spread": 0,
                "augment": "flip",
                "optim": {"lr": 1e-4},
                "ema": None,
                "epochs": 50,
            },
            "data": {"size": 256},
            "train": {"batch": 64},
        },
        "resnet18": {
            "model": {"network": "resnet18", "augment": "flip,jitter", "optim": {"lr": 5e-4}},
            "data": {"size": 64},
            "train": {"batch": 64, "schedule": "cosine"},
        },
    }
