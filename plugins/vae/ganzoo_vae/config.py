"""Options and presets of `vae`."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ganzoo_core import Adam, ModelConfig

REPORT_GROUPS = (18, 29, 39, 49, 59)
"""The report's six age groups."""

FASHION = {"name": "fashion-mnist", "size": 28, "channels": 1}
BINARY = {"levels": 2, "likelihood": "bernoulli"}
SHORT = {
    "batch": 64,
    "precision": "fp32",
    "schedule": "cosine",
    "warmup": 100,
    "clip": 1.0,
    "log_every": 50,
    "sample_every": 1000,
    "checkpoint_every": 1000,
}


class VAEConfig(ModelConfig):
    """`[model]` of vae."""

    groups: tuple[int, ...] = REPORT_GROUPS
    """Upper edges of the age groups, which the samples' evaluation reads; the model takes none."""
    network: Literal["mlp", "conv"] = "conv"
    """The paper's perceptrons, or convolutions of stride 2."""
    latent: int = Field(20, ge=1)
    """Length of z."""
    hidden: int = Field(500, ge=1)
    """Units of the perceptrons' hidden layers, or of the dense layers next to the convolutions."""
    width: int = Field(32, ge=1)
    """Maps of the convolutions nearest the image; the inner ones have twice as many."""
    levels: int = Field(256, ge=2, le=256)
    """Values that a channel of a pixel may have: 256 are the bytes themselves, 2 black and white.
    Likelihoods compare only where this is the same."""
    likelihood: Literal["bernoulli", "gaussian", "logistic"] = "logistic"
    """p(x | z): Bernoulli for two levels, or the mass that a Gaussian or a logistic distribution
    has on each level."""
    importance: int = Field(64, ge=1)
    """Draws of z an image in the bound that evaluation reports; more make it tighter."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    ema: float | None = Field(None, gt=0)
    """Half-life of the weights' average, in images."""
    epochs: float = Field(50, gt=0)

    @model_validator(mode="after")
    def two_levels(self) -> Self:
        """Refuse a Bernoulli of more than two levels: it would be no likelihood."""
        if self.likelihood == "bernoulli" and self.levels != 2:
            raise ValueError(
                f"model.likelihood: bernoulli has 2 levels, not {self.levels}: "
                "--set model.levels=2, or model.likelihood=logistic"
            )
        return self

    presets: ClassVar = {
        "tiny": {
            "model": {"latent": 4, "hidden": 16, "width": 4, "importance": 4},
            "data": {"name": "shapes", "size": 16},
            "train": {"batch": 16, "steps": 20, "sample_every": 20, "log_every": 5},
        },
        "quick": {
            "model": {"latent": 32, "hidden": 256, "ema": 5000.0},
            "data": {"name": "people", "size": 32, "count": 6000, "variety": 0.35},
            "train": {"steps": 1200, **SHORT},
        },
        "good": {
            "model": {"latent": 32, "ema": 10000.0},
            "data": FASHION,
            "train": {"steps": 5000, **SHORT},
        },
        "binary": {
            "model": {"latent": 32, "ema": 10000.0, **BINARY},
            "data": FASHION,
            "train": {"steps": 3000, **SHORT},
        },
        "paper": {
            "model": {"network": "mlp", "groups": (), **BINARY},
            "data": {"name": "mnist", "size": 28, "channels": 1},
            "train": {"batch": 100, "precision": "fp32"},
        },
        "paper-faces": {
            "model": {"network": "mlp", "hidden": 200, "latent": 10, "likelihood": "gaussian"},
            "data": {"name": "people", "size": 32, "channels": 1, "count": 2000},
            "train": {"batch": 100, "precision": "fp32"},
        },
    }
