"""Options and presets of `age-cgan`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import Adam, AuxiliaryConfig, Config, GANConfig, NormConfig

AGE_BINS = (18, 29, 39, 49, 59)
"""The six age groups of the paper: 0-18, 19-29, 30-39, 40-49, 50-59, 60+."""

ADAM_4E4_E_5E4 = {"optim_d": {"lr": 4e-4}, "optim_g": {"lr": 4e-4}, "optim_e": {"lr": 5e-4}}
ADAM_1E3 = {"optim_d": {"lr": 1e-3}, "optim_g": {"lr": 1e-3}, "optim_e": {"lr": 1e-3}}
SMOOTHED_BCE = {"kind": "bce", "real_target": 0.9}
WRONG_LABELS_LAYER_NORM = {
    "loss": SMOOTHED_BCE,
    "terms": {"wrong-labels": {"weight": 0.5}},
    "class_balanced": True,
    "discriminator": {"norm": "layer"},
}
"""Not in the paper: separates adjacent age groups."""
PEOPLE_DATA = {"name": "people", "nuisance_scale": 0.35}


class AuxiliariesConfig(Config):
    """`[model.auxiliaries]`."""

    identity: AuxiliaryConfig = AuxiliaryConfig()
    """The face recognition network of the latent optimization."""


class AgeCGANConfig(GANConfig):
    """`[model]` of age-cgan."""

    age_bins: tuple[int, ...] = AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    base_channels: int = Field(64, ge=4)
    """Channels at the highest resolution of the convs; doubled at each lower one."""
    latent_dim: int = Field(100, ge=1)
    """Length of z."""
    discriminator: NormConfig = NormConfig()
    """Options of the discriminator."""
    augment: str = ""
    """Augmentation of the images that D receives: "ada", or a list such as "flip,translation"; see
    docs/how-to/use-data.md."""
    optim_e: Adam = Adam()
    """The optimizer of the encoder."""
    epochs: float = Field(100, gt=0)
    """Length of stage 1, the conditional GAN."""
    encoder_pairs: int = Field(100_000, ge=1)
    """Length of stage 2: generated pairs that train the encoder, each used once."""
    auxiliaries: AuxiliariesConfig = AuxiliariesConfig()
    """The frozen network of the latent optimization."""
    inversion_objective: Literal["identity", "pixels", "both"] = "identity"
    """Objective of the latent optimization: distance of embeddings, of pixels, or their sum."""
    inversion_pixel_weight: float = Field(1.0, ge=0)
    """Weight of the pixels in "both"."""
    inversion_steps: int = Field(50, ge=0)
    """Maximum number of L-BFGS steps for each face; 0 keeps the prediction of the encoder."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "base_channels": 8,
                "latent_dim": 16,
                "ema_halflife_images": 1000.0,
                "encoder_pairs": 160,
                "inversion_steps": 3,
            },
            "data": {"name": "shapes", "image_size": 32},
            "train": {
                "batch_size": 16,
                "sample_every": 10,
                "log_every": 5,
                "gan": {"steps": 10},
            },
        },
        "quick": {
            "model": {
                "base_channels": 32,
                "loss": SMOOTHED_BCE,
                "ema_halflife_images": 5000.0,
                "encoder_pairs": 20_000,
                "inversion_objective": "both",
                **ADAM_4E4_E_5E4,
            },
            "data": {**PEOPLE_DATA, "image_size": 64, "count": 6000},
            "train": {"batch_size": 32, "gan": {"steps": 2500}},
        },
        "people-64": {
            "model": {
                "base_channels": 32,
                "ema_halflife_images": 10000.0,
                "encoder_pairs": 30_000,
                "inversion_objective": "both",
                **WRONG_LABELS_LAYER_NORM,
                **ADAM_1E3,
            },
            "data": {**PEOPLE_DATA, "image_size": 64, "count": 12000, "photos_per_person": 2},
            "train": {"batch_size": 32, "sample_every": 500, "gan": {"steps": 4500}},
        },
        "utkface-64": {
            "model": {
                "base_channels": 32,
                "ema_halflife_images": 20000.0,
                "encoder_pairs": 30_000,
                "inversion_objective": "both",
                "auxiliaries": {"identity": {"weights": "train"}},
                "augment": "flip,color,translation",
                **WRONG_LABELS_LAYER_NORM,
                "terms": {"wrong-labels": {"weight": 0.25}},
                **ADAM_1E3,
            },
            "data": {"name": "utkface", "image_size": 64, "transform": "face-align"},
            "train": {"batch_size": 32, "sample_every": 1000, "gan": {"steps": 6000}},
        },
        "paper": {"data": {"name": "imdb-wiki", "image_size": 64}, "train": {"batch_size": 64}},
    }
