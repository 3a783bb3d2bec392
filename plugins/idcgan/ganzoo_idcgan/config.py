"""Options and presets of `idcgan`."""

from typing import ClassVar

from pydantic import Field

from ganzoo_core import Adam, AuxiliaryConfig, Config, ModelConfig

AGE_BINS = (18, 29, 39, 49, 59)


class LossWeights(Config):
    """Weights of the four losses of encoder and generator."""

    adversarial: float = Field(1.0, ge=0)
    """Weight of the adversarial loss."""
    pixel: float = Field(100.0, ge=0)
    """Weight of |G(E(x), y) - x| at the face's own age."""
    age: float = Field(1.0, ge=0)
    """Weight of the distance to the mean age of the group, in decades."""
    feature: float = Field(1.0, ge=0)
    """Weight of the squared distance, in the middle layer of D, to the same face at another age."""


class AuxiliariesConfig(Config):
    """`[model.auxiliaries]`."""

    age: AuxiliaryConfig = AuxiliaryConfig()
    """The age estimator of the age loss."""


class IDCGANConfig(ModelConfig):
    """`[model]` of idcgan."""

    age_bins: tuple[int, ...] = AGE_BINS
    """Inclusive upper edges of the age bins, in years."""
    base_channels: int = Field(64, ge=4)
    """Channels at the highest resolution of the convs; doubled at each lower one."""
    latent_dim: int = Field(256, ge=1)
    """Length of z."""
    label_repeats: int = Field(8, ge=1)
    """Times that the connector repeats the one-hot age group, to balance the length of z."""
    loss_weights: LossWeights = LossWeights()
    """Weights of the losses."""
    real_target: float = Field(1.0, gt=0.5, le=1)
    """Target of D for real faces; below 1: one-sided label smoothing."""
    auxiliaries: AuxiliariesConfig = AuxiliariesConfig()
    """The frozen network of the age loss."""
    optim_d: Adam = Adam()
    """The optimizer of the discriminator."""
    optim_g: Adam = Adam()
    """Optimizer of encoder and generator."""
    ema_halflife_images: float | None = Field(None, gt=0)
    """Half-life of the moving average of encoder and generator, in images."""
    epochs: float = Field(50, gt=0)
    """Length of the training in passes over the data; `train.steps` overrides it."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "base_channels": 8,
                "latent_dim": 16,
                "ema_halflife_images": 1000.0,
                "epochs": 1,
            },
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "base_channels": 32,
                "real_target": 0.9,
                "ema_halflife_images": 5000.0,
                "epochs": 20,
                "optim_d": {"lr": 4e-4},
                "optim_g": {"lr": 1e-3},
            },
            "data": {"name": "people", "nuisance_scale": 0.35, "image_size": 64, "count": 6000},
            "train": {"batch_size": 32},
        },
        "people-64": {
            "model": {
                "base_channels": 64,
                "real_target": 0.9,
                "ema_halflife_images": 10000.0,
                "epochs": 30,
                "optim_d": {"lr": 4e-4},
                "optim_g": {"lr": 5e-4},
            },
            "data": {"name": "people", "nuisance_scale": 0.35, "image_size": 64, "count": 20000},
            "train": {"batch_size": 64, "sample_every": 500},
        },
        "utkface-64": {"data": {"name": "utkface", "image_size": 64}, "train": {"batch_size": 64}},
    }
