"""Options and presets of `dcgan`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import GANConfig, NormConfig

SMOOTHED_BCE = {"kind": "bce", "real_target": 0.9}


class DiscriminatorConfig(NormConfig):
    """`[model.discriminator]`."""

    norm_first_conv: bool = False
    """Norm after the first conv too, as in the report's notebook; the paper has none there."""


class DCGANConfig(GANConfig):
    """`[model]` of dcgan."""

    class Sampling(GANConfig.Sampling):
        """The sampling options, with that of InfoGAN's codes."""

        code: int | None = Field(None, ge=0)
        """The category of a model that was trained with the term `info`; none for random ones."""

    base_channels: int = Field(64, ge=4)
    """Channels at the highest resolution; doubled at each lower one, up to eight times."""
    layer_channels: tuple[int, ...] = ()
    """Output channels of each conv of D, and in reverse of G; replaces `base_channels`."""
    latent_dim: int = Field(100, ge=1)
    """Length of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z ~ U(-1, 1) as in the paper, or N(0, 1)."""
    init_std: float | None = Field(0.02, gt=0)
    """Standard deviation of the initial weights; none for torch's defaults."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """Options of the discriminator."""
    augment: str = ""
    """Augmentation of the images that D receives: "ada", or a list such as "flip,translation"; see
    docs/how-to/use-data.md."""
    epochs: float = Field(25, gt=0)
    """Length of the training in passes over the data; `train.steps` overrides it."""

    presets: ClassVar = {
        "smoke": {
            "model": {"base_channels": 8, "latent_dim": 16, "ema_halflife_images": 1000.0},
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {"base_channels": 32, "loss": SMOOTHED_BCE, "ema_halflife_images": 5000.0},
            "data": {"name": "people", "image_size": 32, "count": 6000, "nuisance_scale": 0.35},
            "train": {"batch_size": 32, "steps": 2500},
        },
        "fashion-32": {
            "model": {
                "base_channels": 32,
                "loss": SMOOTHED_BCE,
                "ema_halflife_images": 20000.0,
                "optim_d": {"lr": 4e-4},
                "optim_g": {"lr": 4e-4},
            },
            "data": {"name": "fashion-mnist", "image_size": 32, "num_channels": 1},
            "train": {"batch_size": 128, "steps": 4000, "sample_every": 1000},
        },
        "paper": {"data": {"image_size": 64}, "train": {"batch_size": 128}},
        "report-slides": {
            "model": {
                "layer_channels": (6, 10, 15, 25),
                "init_std": None,
                "epochs": 100,
                "optim_d": {"lr": 4e-3, "betas": (0.65, 0.999)},
                "optim_g": {"lr": 4e-3, "betas": (0.65, 0.999)},
            },
            "data": {"image_size": 64},
            "train": {"batch_size": 128},
        },
        "report-notebook": {
            "model": {
                "base_channels": 16,
                "latent_dim": 128,
                "prior": "normal",
                "init_std": None,
                "epochs": 100,
                "discriminator": {"norm_first_conv": True},
                "optim_d": {"lr": 4e-4, "betas": (0.6, 0.999)},
                "optim_g": {"lr": 4e-4, "betas": (0.6, 0.999)},
            },
            "data": {"image_size": 64},
            "train": {"batch_size": 128},
        },
    }
