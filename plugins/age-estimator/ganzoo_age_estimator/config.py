"""Options and presets of `age-estimator`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import Adam, ModelConfig

_REPORT_AGE_BINS = (18, 29, 39, 49, 59)
PFA_AGE_BINS = (30, 40, 50)
"""The four age groups of PFA-GAN: 0-30, 31-40, 41-50, 51+."""
_PEOPLE_96K = {"name": "people", "image_size": 64, "count": 96000, "photos_per_person": 4}
_TRAIN_BATCH128_COSINE = {
    "batch_size": 128,
    "lr_scheduler": "cosine",
    "warmup_steps": 120,
    "log_every": 50,
    "checkpoint_every": 1000,
}


class AgeEstimatorConfig(ModelConfig):
    """`[model]` of age-estimator."""

    network: Literal["pfa", "slim", "residual", "resnet18"] = "slim"
    """`pfa`: as in PFA-GAN. `slim`: the same layout with fewer channels. `residual`: a small
    residual network. `resnet18`: ResNet-18 of torchvision."""
    base_channels: int = Field(32, ge=4)
    """Channels of the first convolution of `slim` and `residual`; `pfa` has 64."""
    age_bins: tuple[int, ...] = _REPORT_AGE_BINS
    """Inclusive upper edges of the age groups, in years."""
    label_std_years: float = Field(3.0, ge=0)
    """Standard deviation of the label distribution, in years; 0 is the cross entropy of DEX."""
    expected_age_loss_weight: float = Field(0.1, ge=0)
    """Weight of the smooth L1 loss of the expected age, in years."""
    group_loss_weight: float = Field(0.1, ge=0)
    """Weight of the cross entropy of the age group."""
    augment: str = ""
    """Augmentation of the training images, such as "flip,crop"; see `ganzoo_core.data.augment`."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    """Optimizer of the networks."""
    ema_halflife_images: float | None = 20000.0
    """Half-life of the moving average of the weights, in images; none for no average."""
    epochs: float = Field(20, gt=0)
    """Passes over the training images."""

    presets: ClassVar = {
        "smoke": {
            "model": {"base_channels": 8, "ema_halflife_images": 100.0, "epochs": 2},
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "log_every": 5},
        },
        "quick": {
            "model": {"epochs": 5, "optim": {"lr": 2e-3}},
            "data": {
                "name": "people",
                "image_size": 64,
                "count": 8000,
                "photos_per_person": 8,
                "split": "auxiliary",
            },
            "train": _TRAIN_BATCH128_COSINE,
        },
        "people-64": {
            "model": {"epochs": 6, "augment": "flip", "optim": {"lr": 2e-3}},
            "data": {**_PEOPLE_96K, "split": "auxiliary"},
            "train": _TRAIN_BATCH128_COSINE,
        },
        "people-64-held-out": {
            "model": {
                "network": "residual",
                "epochs": 6,
                "augment": "flip",
                "optim": {"lr": 2e-3},
            },
            "data": {**_PEOPLE_96K, "split": "evaluator"},
            "train": {**_TRAIN_BATCH128_COSINE, "seed": 1},
        },
        "utkface-64": {
            "model": {
                "epochs": 16,
                "augment": "flip,crop,grayscale,noise(0.5)",
                "optim": {"lr": 2e-3},
            },
            "data": {"name": "utkface", "image_size": 64, "transform": "face-align"},
            "train": _TRAIN_BATCH128_COSINE,
        },
        "pfa-gan": {
            "model": {
                "network": "pfa",
                "age_bins": PFA_AGE_BINS,
                "label_std_years": 0,
                "augment": "flip",
                "optim": {"lr": 1e-4},
                "ema_halflife_images": None,
                "epochs": 50,
            },
            "data": {"image_size": 256},
            "train": {"batch_size": 64},
        },
        "resnet18": {
            "model": {"network": "resnet18", "augment": "flip,crop", "optim": {"lr": 5e-4}},
            "data": {"image_size": 64},
            "train": {"batch_size": 64, "lr_scheduler": "cosine"},
        },
    }
