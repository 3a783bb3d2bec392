"""Options and presets of `cgan` and `mlp-cgan`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import GANConfig, NormConfig

REPORT_AGE_BINS = (18, 29, 39, 49, 59)
"""The six age groups of the report: 0-18, 19-29, 30-39, 40-49, 50-59, 60+."""

ADAM_4E4 = {"optim_d": {"lr": 4e-4}, "optim_g": {"lr": 4e-4}}
ADAM_D_5E4_G_1E3 = {"optim_d": {"lr": 5e-4}, "optim_g": {"lr": 1e-3}}
ADAM_1E3 = {"optim_d": {"lr": 1e-3}, "optim_g": {"lr": 1e-3}}
ADAM_1_5E3 = {"optim_d": {"lr": 1.5e-3}, "optim_g": {"lr": 1.5e-3}}
SMOOTHED_BCE = {"kind": "bce", "real_target": 0.9}
PEOPLE_MODEL = {
    "label_injection": "late",
    "upsample": "nearest",
    "base_channels": 32,
    "loss": SMOOTHED_BCE,
    "terms": {"wrong-labels": {"weight": 0.5}, "adc": {"weight": 1.0}},
    "augment": "noise(0.15)",
    **ADAM_1_5E3,
}
"""For rendered portraits; docs/research/2026-11-29-cgan.md has the effect of each option. Wrong
labels, which the cGANs of the literature do not have, separate adjacent age groups."""
REPORT_DATA_AND_TRAIN = {
    "data": {"image_size": 64},
    "train": {"batch_size": 128, "checkpoint_every": 200},
}
SGD_1E1 = {"kind": "sgd", "lr": 0.1, "momentum": 0.5}


class CGANConfig(GANConfig):
    """`[model]` of cgan."""

    age_bins: tuple[int, ...] = REPORT_AGE_BINS
    """Inclusive upper edges of the age bins, in years; empty for the labels of the data."""
    label_injection: Literal["after_conv1", "input", "late"] = "after_conv1"
    """Where label maps are concatenated in D: after the first conv (the notebook of the report), at
    the input (its slides), or after the last norm (Reed et al. 2016)."""
    base_channels: int = Field(64, ge=4)
    """Channels at the highest resolution of the convs; doubled at each lower one."""
    latent_dim: int = Field(100, ge=1)
    """Length of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z ~ U(-1, 1) as in the report, or N(0, 1)."""
    output_activation: Literal["tanh", "relu"] = "tanh"
    """relu follows the slides of the report, which is a slip: images lie in [-1, 1]."""
    upsample: Literal["conv_transpose", "nearest"] = "conv_transpose"
    """Upsampling in G: transposed convs as in the report, or nearest neighbor and a conv, with one
    more conv at the full size; nearest has fewer checkerboard artifacts."""
    discriminator: NormConfig = NormConfig()
    """Options of the discriminator."""
    augment: str = ""
    """Augmentation of the images that D receives: "ada", or a list such as "flip,translation"; see
    docs/how-to/use-data.md."""

    presets: ClassVar = {
        "smoke": {
            "model": {"base_channels": 8, "latent_dim": 16, "ema_halflife_images": 1000.0},
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {**PEOPLE_MODEL, "ema_halflife_images": 5000.0},
            "data": {"name": "people", "image_size": 32, "count": 6000, "nuisance_scale": 0.35},
            "train": {"batch_size": 32, "steps": 2800},
        },
        "people-64": {
            "model": {**PEOPLE_MODEL, "class_balanced": True, "ema_halflife_images": 15000.0},
            "data": {
                "name": "people",
                "image_size": 64,
                "count": 16000,
                "photos_per_person": 1,
                "nuisance_scale": 0.35,
            },
            "train": {"batch_size": 32, "steps": 5000, "sample_every": 1000},
        },
        "utkface-64": {
            "model": {
                **PEOPLE_MODEL,
                "terms": {"wrong-labels": {"weight": 0.25}, "adc": {"weight": 1.0}},
                "augment": "flip,color,translation,noise(0.15)",
                **ADAM_1E3,
                "class_balanced": True,
                "ema_halflife_images": 20000.0,
            },
            "data": {"name": "utkface", "image_size": 64, "transform": "face-align"},
            "train": {"batch_size": 32, "steps": 5500, "sample_every": 1000},
        },
        "fashion-32": {
            "model": {
                "base_channels": 32,
                "loss": SMOOTHED_BCE,
                "ema_halflife_images": 20000.0,
                **ADAM_4E4,
            },
            "data": {"name": "fashion-mnist", "image_size": 32, "num_channels": 1},
            "train": {"batch_size": 128, "steps": 6000, "sample_every": 1000},
        },
        "report-notebook": {**REPORT_DATA_AND_TRAIN},
        "report-slides": {
            "model": {"label_injection": "input", "loss": {"kind": "bce", "halve_d_loss": True}},
            **REPORT_DATA_AND_TRAIN,
        },
    }


class MLPCGANConfig(GANConfig):
    """`[model]` of mlp-cgan."""

    age_bins: tuple[int, ...] = REPORT_AGE_BINS
    """Inclusive upper edges of the age bins, in years; empty for the labels of the data."""
    latent_dim: int = Field(100, ge=1)
    """Length of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z ~ U(-1, 1) as in the paper, or N(0, 1)."""
    augment: str = ""
    """Augmentation of the images that D receives: "ada", or a list such as "flip,translation"; see
    docs/how-to/use-data.md."""

    presets: ClassVar = {
        "smoke": {
            "model": {"latent_dim": 16, "ema_halflife_images": 1000.0},
            "data": {"name": "shapes", "image_size": 16},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "ema_halflife_images": 4000.0,
                "loss": SMOOTHED_BCE,
                "terms": {"d-freeze": {"above_accuracy": 0.75}},
                **ADAM_D_5E4_G_1E3,
            },
            "data": {
                "name": "people",
                "image_size": 32,
                "count": 6000,
                "nuisance_scale": 0.35,
                "num_channels": 1,
            },
            "train": {"batch_size": 32, "steps": 3000},
        },
        "paper": {
            "model": {"age_bins": (), "optim_d": SGD_1E1, "optim_g": SGD_1E1},
            "data": {"name": "mnist", "image_size": 28, "num_channels": 1},
            "train": {"batch_size": 100},
        },
    }
