"""Options and presets of `vae`."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ganzoo_core import Adam, ModelConfig

_REPORT_AGE_BINS = (18, 29, 39, 49, 59)
"""The six age groups of the report."""

_FASHION_MNIST_28 = {"name": "fashion-mnist", "image_size": 28, "num_channels": 1}
_BERNOULLI_2_LEVELS = {"levels": 2, "likelihood": "bernoulli"}
_TRAIN_BATCH64_COSINE = {
    "batch_size": 64,
    "precision": "fp32",
    "lr_scheduler": "cosine",
    "warmup_steps": 100,
    "grad_clip_norm": 1.0,
    "log_every": 50,
    "sample_every": 1000,
    "checkpoint_every": 1000,
}


class VAEConfig(ModelConfig):
    """`[model]` of vae."""

    age_bins: tuple[int, ...] = _REPORT_AGE_BINS
    """Inclusive upper edges of the age groups, for the evaluation of samples. The model receives no
    labels."""
    network: Literal["mlp", "conv"] = "conv"
    """Perceptrons, as in the paper, or convolutions of stride 2."""
    latent_dim: int = Field(20, ge=1)
    """Length of z."""
    hidden_dim: int = Field(500, ge=1)
    """Units of the hidden layers of the perceptrons, or of the linear layers beside the
    convolutions."""
    base_channels: int = Field(32, ge=1)
    """Channels of the convolutions nearest to the image; the inner ones have twice as many."""
    levels: int = Field(256, ge=2, le=256)
    """Values that a channel of a pixel can have: 256 for bytes, 2 for black and white.
    Likelihoods are comparable only for equal `levels`."""
    likelihood: Literal["bernoulli", "gaussian", "logistic"] = "logistic"
    """p(x | z): Bernoulli for 2 levels, or the probability mass of a Gaussian or a logistic
    distribution on each level."""
    num_importance_samples: int = Field(64, ge=1)
    """Samples of z per image in the bound that `evaluate` reports; more samples make it tighter."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    """Optimizer of the networks."""
    ema_halflife_images: float | None = Field(None, gt=0)
    """Half-life of the moving average of the weights, in images; none for no average."""
    epochs: float = Field(50, gt=0)
    """Passes over the training images."""

    @model_validator(mode="after")
    def check_bernoulli_levels(self) -> Self:
        """Refuse a Bernoulli likelihood with more than 2 levels."""
        if self.likelihood == "bernoulli" and self.levels != 2:
            raise ValueError(
                f"model.likelihood: bernoulli has 2 levels, not {self.levels}: "
                "--set model.levels=2, or model.likelihood=logistic"
            )
        return self

    presets: ClassVar = {
        "smoke": {
            "model": {
                "latent_dim": 4,
                "hidden_dim": 16,
                "base_channels": 4,
                "num_importance_samples": 4,
            },
            "data": {"name": "shapes", "image_size": 16},
            "train": {"batch_size": 16, "steps": 20, "sample_every": 20, "log_every": 5},
        },
        "quick": {
            "model": {"latent_dim": 32, "hidden_dim": 256, "ema_halflife_images": 5000.0},
            "data": {"name": "people", "image_size": 32, "count": 6000, "nuisance_scale": 0.35},
            "train": {"steps": 1200, **_TRAIN_BATCH64_COSINE},
        },
        "fashion-28": {
            "model": {"latent_dim": 32, "ema_halflife_images": 10000.0},
            "data": _FASHION_MNIST_28,
            "train": {"steps": 5000, **_TRAIN_BATCH64_COSINE},
        },
        "fashion-28-binary": {
            "model": {"latent_dim": 32, "ema_halflife_images": 10000.0, **_BERNOULLI_2_LEVELS},
            "data": _FASHION_MNIST_28,
            "train": {"steps": 3000, **_TRAIN_BATCH64_COSINE},
        },
        "paper": {
            "model": {"network": "mlp", "age_bins": (), **_BERNOULLI_2_LEVELS},
            "data": {"name": "mnist", "image_size": 28, "num_channels": 1},
            "train": {"batch_size": 100, "precision": "fp32"},
        },
        "paper-faces": {
            "model": {
                "network": "mlp",
                "hidden_dim": 200,
                "latent_dim": 10,
                "likelihood": "gaussian",
            },
            "data": {"name": "people", "image_size": 32, "num_channels": 1, "count": 2000},
            "train": {"batch_size": 100, "precision": "fp32"},
        },
    }
