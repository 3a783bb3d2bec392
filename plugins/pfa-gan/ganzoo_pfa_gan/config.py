"""Options and presets of `pfa-gan`."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from ganzoo_core import Adam, AuxiliaryConfig, Config, ModelConfig

PAPER_AGE_BINS = (30, 40, 50)
REPORT_AGE_BINS = (18, 29, 39, 49, 59)
"""The six age groups of the source report: 0-18, 19-29, 30-39, 40-49, 50-59, 60+."""

TUNED = {
    "last_conv_init_std": 0.0,
    "age_augment": "flip,crop",
    "ema_halflife_images": 3000.0,
    "d_warmup_steps": 100,
    "loss_weights": {"adversarial": 1.0, "age": 1.2e-5, "identity": 0.3, "feature": 0.2},
    "source_as_negative": True,
    "d_updates": 2,
    "optim_d": {"lr": 4e-4, "betas": (0.9, 0.99)},
    "optim_g": {"lr": 1.5e-4},
}
"""Not in the paper; see the README."""

TUNED_NOISE_AUGMENT = {
    **TUNED,
    "age_augment": "flip,crop,grayscale,noise(0.5)",
    "loss_weights": {**TUNED["loss_weights"], "age": 2e-5},
}
"""For photographs: an age network trained with this augmentation ignores colors and patterns."""

TUNED_BATCH_NORM = {
    **TUNED,
    "discriminator": {"norm": "batch"},
    "loss_weights": {**TUNED["loss_weights"], "embedding": 0.3},
}
"""For rendered portraits at full width: a stronger D, and identities that are preserved better."""

COSINE_WITH_WARMUP = {"lr_scheduler": "cosine", "warmup_steps": 200}
"""`[train]` for these. Without warmup, the first steps move all pixels out of range."""

PEOPLE_64 = {
    "name": "people",
    "image_size": 64,
    "count": 12000,
    "photos_per_person": 2,
    "nuisance_scale": 0.35,
}


def recipe(steps, *later_parts):
    """Return the stages `gan`, `part-2`, `part-3` and so on of a recipe as options of `[train]`.

    Each part has its own cosine schedule. Only the first one starts with updates of D alone.

    Args:
        steps: of the first part, which has the loss weights of the model.
        later_parts: (steps, loss weights that differ from those of the model) of each other part.
    """
    stages = {"gan": {"steps": steps, "overrides": {"train": COSINE_WITH_WARMUP}}}
    for number, (part_steps, loss_weights) in enumerate(later_parts, start=2):
        overrides = {
            "model": {"d_warmup_steps": 0, "loss_weights": loss_weights},
            "train": {**COSINE_WITH_WARMUP, "warmup_steps": 20},
        }
        stages[f"part-{number}"] = {
            "steps": part_steps,
            "phases_of": "gan",
            "overrides": overrides,
        }
    return stages


class LossWeights(Config):
    """Weights of the generator's losses."""

    adversarial: float = Field(100.0, ge=0)
    """Weight of the adversarial loss."""
    age: float = Field(0.4, ge=0)
    """Weight of the squared age error plus the cross-entropy of the group."""
    identity: float = Field(0.02, ge=0)
    """Weight of (1 - a) L1 + a (1 - SSIM) + feature |F - F|^2 + embedding |e - e|^2, with
    a = ssim_weight."""
    feature: float = Field(1.25, ge=0)
    """Weight of the feature distance inside identity."""
    embedding: float = Field(0.0, ge=0)
    """Weight of the embedding distance inside identity, on augmented images; not in the paper."""


class DiscriminatorConfig(Config):
    """`[model.discriminator]`."""

    norm: Literal["spectral", "batch"] = "spectral"
    """Spectral norm as in the paper; or BatchNorm, with label maps after the last one."""


class AuxiliariesConfig(Config):
    """`[model.auxiliaries]`."""

    identity: AuxiliaryConfig = AuxiliaryConfig()
    """The face recognition network of the identity losses."""
    age: AuxiliaryConfig = AuxiliaryConfig()
    """The age estimator of the age losses."""


class PFAGANConfig(ModelConfig):
    """`[model]` of pfa-gan."""

    age_bins: tuple[int, ...] = PAPER_AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    direction: Literal["aging", "rejuvenation", "both"] = "aging"
    """both trains a second, reversed chain of sub-networks."""
    g_channels: int = Field(32, ge=4)
    """Base channels of each sub-network."""
    last_conv_init_std: float = Field(0.02, ge=0)
    """Standard deviation of the initial weights of the last conv; 0: the initial output of each
    sub-network is its input."""
    loss_weights: LossWeights = LossWeights()
    """Weights of the losses."""
    ssim_weight: float = Field(0.15, ge=0, le=1)
    """Weight of SSIM against L1: a in `loss_weights.identity`."""
    age_augment: str = ""
    """Augmentation of the aged faces that the age network receives, such as
    "flip,crop,grayscale,noise(0.5)". It prevents pixel and color patterns that only change the
    estimated age, if the age network was trained with it too (its `model.augment`). See
    `ganzoo_core.data.augment`; not in the paper."""
    auxiliaries: AuxiliariesConfig = AuxiliariesConfig()
    """The frozen networks of the losses."""
    optim_d: Adam = Adam(lr=1e-4, betas=(0.5, 0.99))
    """The optimizer of the discriminator."""
    optim_g: Adam = Adam(lr=1e-4, betas=(0.5, 0.99))
    """The optimizer of the sub-networks."""
    ema_halflife_images: float | None = None
    """Half-life of the moving average of the sub-networks, in images; none in the paper."""
    d_warmup_steps: int = Field(0, ge=0)
    """Steps at the start that train D only; none in the paper."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """Options of the discriminator."""
    source_as_negative: bool = False
    """Train D on the source faces with the labels of their targets as additional negatives (as in
    IPCGAN, Wang et al. 2018); not in the paper."""
    d_updates: int = Field(1, ge=1)
    """Updates of D in each step, each on its own batch; 1 in the paper."""
    steps: int = Field(200_000, gt=0)
    """Length of the training in steps; `train.steps` overrides it."""

    @field_validator("age_bins")
    @classmethod
    def check_age_bins(cls, age_bins: tuple[int, ...]) -> tuple[int, ...]:
        """Refuse fewer than two age groups, and edges that are not increasing."""
        is_increasing = list(age_bins) == sorted(set(age_bins))
        if not age_bins or not is_increasing or not 0 <= age_bins[0] <= age_bins[-1] < 100:
            raise ValueError("needs increasing edges between 0 and 99, such as [30, 40, 50]")
        return age_bins

    stage_overrides: ClassVar = (
        *ModelConfig.stage_overrides,
        "d_updates",
        "d_warmup_steps",
        "source_as_negative",
        "ssim_weight",
    )

    presets: ClassVar = {
        "smoke": {
            "model": {
                "age_bins": REPORT_AGE_BINS,
                "g_channels": 4,
                "last_conv_init_std": 0.0,
                "ema_halflife_images": 1000.0,
            },
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 8, "steps": 10, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"age_bins": REPORT_AGE_BINS, "g_channels": 16, **TUNED},
            "data": {"name": "people", "image_size": 64, "count": 4000, "nuisance_scale": 0.35},
            "train": {"batch_size": 15, "steps": 650, **COSINE_WITH_WARMUP},
        },
        "people-64": {
            "model": {"age_bins": REPORT_AGE_BINS, **TUNED_BATCH_NORM},
            "data": PEOPLE_64,
            "train": {
                "batch_size": 24,
                "checkpoint_every": 200,
                **COSINE_WITH_WARMUP,
                **recipe(
                    1200,
                    (330, {"age": 2.4e-5}),
                    (300, {"age": 9.6e-5}),
                    (280, {"age": 1.5e-4, "identity": 0.6}),
                    (200, {"age": 3e-4, "identity": 0.6}),
                ),
            },
        },
        "people-64-younger": {
            "model": {
                "age_bins": REPORT_AGE_BINS,
                "direction": "rejuvenation",
                **TUNED_BATCH_NORM,
            },
            "data": PEOPLE_64,
            "train": {
                "batch_size": 24,
                "checkpoint_every": 200,
                **COSINE_WITH_WARMUP,
                **recipe(
                    1200,
                    (500, {"age": 7e-5}),
                    (330, {"age": 3e-4, "identity": 0.6}),
                    (230, {"age": 6e-4, "identity": 0.6}),
                ),
            },
        },
        "utkface-64": {
            "model": {
                "age_bins": REPORT_AGE_BINS,
                **TUNED_BATCH_NORM,
                "age_augment": TUNED_NOISE_AUGMENT["age_augment"],
                "loss_weights": {**TUNED_BATCH_NORM["loss_weights"], "age": 2e-5},
                "auxiliaries": {"identity": {"weights": "train"}, "age": {"weights": "train"}},
            },
            "data": {"name": "utkface", "image_size": 64, "transform": "face-align"},
            "train": {
                "batch_size": 24,
                "checkpoint_every": 200,
                **COSINE_WITH_WARMUP,
                **recipe(
                    1000,
                    (400, {"age": 8e-6, "identity": 0.6}),
                    (140, {"age": 9e-6, "identity": 0.6}),
                ),
            },
        },
        "paper": {"data": {"image_size": 256}, "train": {"batch_size": 48}},
        "utkface-128": {
            "model": {"age_bins": REPORT_AGE_BINS, **TUNED_NOISE_AUGMENT},
            "data": {"name": "utkface", "image_size": 128},
            "train": {"batch_size": 30, "steps": 20000, **COSINE_WITH_WARMUP},
        },
    }
