"""Options and presets of `gan`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import GANConfig

SGD_1E1 = {"kind": "sgd", "lr": 0.1, "momentum": 0.5}
ADAM_2E4 = {"optim_d": {"lr": 2e-4}, "optim_g": {"lr": 2e-4}}
ADAM_D_5E4_G_1E3 = {"optim_d": {"lr": 5e-4}, "optim_g": {"lr": 1e-3}}
SMOOTHED_BCE_FREEZE_D = {
    "loss": {"kind": "bce", "real_target": 0.9},
    "terms": {"d-freeze": {"above_accuracy": 0.75}},
}
"""On portraits D overfits within 100 steps without label smoothing and freezing."""


class VanillaGANConfig(GANConfig):
    """`[model]` of gan."""

    hidden_dim: int = Field(1200, ge=8)
    """Rectified units in each hidden layer of G."""
    maxout_units: int = Field(240, ge=4)
    """Maxout units in each hidden layer of D."""
    maxout_pieces: int = Field(5, ge=2)
    """Linear pieces of each maxout unit."""
    latent_dim: int = Field(100, ge=1)
    """Length of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z ~ U(-1, 1) as in the paper, or N(0, 1)."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout probability of the inputs and the maxout units of D."""
    augment: str = ""
    """Augmentation of the images that D receives: "ada", or a list such as "flip,translation"; see
    docs/how-to/use-data.md."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "hidden_dim": 32,
                "maxout_units": 16,
                "latent_dim": 16,
                "ema_halflife_images": 1000.0,
                **ADAM_2E4,
            },
            "data": {"name": "shapes", "image_size": 16},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 10, "log_every": 5},
        },
        "quick": {
            "model": {
                "hidden_dim": 600,
                "ema_halflife_images": 4000.0,
                "dropout": 0.3,
                **ADAM_D_5E4_G_1E3,
                **SMOOTHED_BCE_FREEZE_D,
            },
            "data": {
                "name": "people",
                "image_size": 32,
                "count": 6000,
                "nuisance_scale": 0.35,
                "num_channels": 1,
            },
            "train": {"batch_size": 32, "steps": 5000},
        },
        "paper": {
            "model": {"optim_d": SGD_1E1, "optim_g": SGD_1E1},
            "data": {"name": "mnist", "image_size": 28, "num_channels": 1},
            "train": {"batch_size": 100},
        },
        "paper-minimax": {
            "model": {"loss": {"kind": "minimax"}, "optim_d": SGD_1E1, "optim_g": SGD_1E1},
            "data": {"name": "mnist", "image_size": 28, "num_channels": 1},
            "train": {"batch_size": 100},
        },
    }
