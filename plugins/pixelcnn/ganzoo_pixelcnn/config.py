"""Options and presets of `pixelcnn`."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ganzoo_core import Adam, ModelConfig

_REPORT_AGE_BINS = (18, 29, 39, 49, 59)
"""The six age groups of the report."""

_ADAM_2E3 = {"optim": {"lr": 2e-3, "betas": (0.9, 0.999)}}
_CIFAR10_32 = {"name": "cifar10", "image_size": 32}
_H128_HEAD1024 = {"hidden_channels": 128, "head_channels": 1024, "age_bins": ()}
_TRAIN_BATCH16 = {"batch_size": 16, "checkpoint_every": 5000, "sample_every": 5000}
_TRAIN_BATCH16_COSINE = {
    "grad_clip_norm": 1.0,
    "batch_size": 16,
    "lr_scheduler": "cosine",
    "warmup_steps": 100,
    "log_every": 50,
    "sample_every": 2500,
    "checkpoint_every": 1000,
}
_FASHION_MNIST_28 = {"name": "fashion-mnist", "image_size": 28, "num_channels": 1}


class PixelCNNConfig(ModelConfig):
    """`[model]` of pixelcnn."""

    age_bins: tuple[int, ...] = _REPORT_AGE_BINS
    """Inclusive upper edges of the age groups, in years; empty to use the labels of the data."""
    network: Literal["gated", "pixelcnn", "row-lstm", "diagonal-bilstm"] = "gated"
    """Gated PixelCNN (arXiv 1606.05328), or one of the three of arXiv 1601.06759."""
    levels: int = Field(256, ge=2, le=256)
    """Values that a channel of a pixel can have: 256 for bytes, 2 for black and white.
    Likelihoods are comparable only for equal `levels`."""
    num_layers: int = Field(8, ge=1)
    """Gated layers or residual blocks after the first convolution."""
    hidden_channels: int = Field(32, ge=3)
    """Channels P of the gated network, or h of the others, whose residual blocks have 2h."""
    kernel_size: int = Field(3, ge=3, le=15)
    """Kernel size of the convolutions after the first; odd."""
    first_kernel_size: int = Field(7, ge=3, le=15)
    """Kernel size of the convolution on the image; odd."""
    head_channels: int = Field(64, ge=3)
    """Channels between the two 1x1 convolutions before the softmax."""
    conditional: bool = True
    """Condition on the label. Only for the gated network, and for data with labels."""
    spatial_cond_channels: int = Field(0, ge=0)
    """Channels of m(h), a map per class that conditions each position differently (arXiv
    1606.05328, section 2.3). 0: every position receives the same class vector."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    """Optimizer of the network."""
    ema_halflife_images: float | None = Field(None, gt=0)
    """Half-life of the moving average of the weights, in images; none for no average."""
    epochs: float = Field(50, gt=0)
    """Passes over the training images."""

    @model_validator(mode="after")
    def check_kernels_and_conditioning(self) -> Self:
        """Refuse even kernel sizes, and `spatial_cond_channels` without gates."""
        for name in ("kernel_size", "first_kernel_size"):
            size = getattr(self, name)
            if size % 2 == 0:
                raise ValueError(f"model.{name}: {size} is even: --set model.{name}={size + 1}")
        if self.spatial_cond_channels and self.network != "gated":
            raise ValueError(
                f"model.spatial_cond_channels: {self.network} has no gates to condition: "
                "--set model.spatial_cond_channels=0, or model.network=gated"
            )
        return self

    presets: ClassVar = {
        "smoke": {
            "model": {
                "levels": 4,
                "num_layers": 2,
                "hidden_channels": 6,
                "head_channels": 6,
                "first_kernel_size": 5,
            },
            "data": {"name": "shapes", "image_size": 8},
            "train": {"batch_size": 8, "steps": 20, "sample_every": 20, "log_every": 5},
        },
        "quick": {
            "model": {
                "levels": 16,
                "num_layers": 6,
                "head_channels": 48,
                "spatial_cond_channels": 24,
                "ema_halflife_images": 6000.0,
                "optim": {"lr": 3e-3, "betas": (0.9, 0.999)},
            },
            "data": {
                "name": "people",
                "image_size": 32,
                "num_channels": 1,
                "count": 6000,
                "nuisance_scale": 0.35,
            },
            "train": {
                "batch_size": 16,
                "steps": 2000,
                "sample_every": 500,
                "lr_scheduler": "cosine",
                "warmup_steps": 50,
                "grad_clip_norm": 1.0,
            },
        },
        "fashion-28": {
            "model": {"num_layers": 6, "ema_halflife_images": 3000.0, **_ADAM_2E3},
            "data": _FASHION_MNIST_28,
            "train": {"steps": 7500, **_TRAIN_BATCH16_COSINE},
        },
        "fashion-28-binary": {
            "model": {"num_layers": 6, "levels": 2, "ema_halflife_images": 3000.0, **_ADAM_2E3},
            "data": _FASHION_MNIST_28,
            "train": {"steps": 4000, **_TRAIN_BATCH16_COSINE},
        },
        "paper": {
            "model": {"network": "pixelcnn", "num_layers": 15, **_H128_HEAD1024},
            "data": _CIFAR10_32,
            "train": _TRAIN_BATCH16,
        },
        "paper-row-lstm": {
            "model": {"network": "row-lstm", "num_layers": 12, **_H128_HEAD1024},
            "data": _CIFAR10_32,
            "train": _TRAIN_BATCH16,
        },
        "paper-diagonal-bilstm": {
            "model": {"network": "diagonal-bilstm", "num_layers": 12, **_H128_HEAD1024},
            "data": _CIFAR10_32,
            "train": _TRAIN_BATCH16,
        },
        "paper-mnist": {
            "model": {
                "network": "diagonal-bilstm",
                "num_layers": 7,
                "hidden_channels": 16,
                "head_channels": 32,
                "levels": 2,
                "age_bins": (),
            },
            "data": {"name": "mnist", "image_size": 28, "num_channels": 1},
            "train": _TRAIN_BATCH16,
        },
        "paper-gated": {
            "model": {
                "num_layers": 20,
                "hidden_channels": 384,
                "kernel_size": 5,
                "first_kernel_size": 7,
                "head_channels": 1024,
                "age_bins": (),
            },
            "data": _CIFAR10_32,
            "train": {"batch_size": 128, "checkpoint_every": 5000, "sample_every": 5000},
        },
    }
