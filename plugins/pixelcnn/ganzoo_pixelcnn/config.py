"""Options and presets of `pixelcnn`."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ganzoo_core import Adam, ModelConfig

REPORT_GROUPS = (18, 29, 39, 49, 59)
"""The report's six age groups."""

FAST = {"optim": {"lr": 2e-3, "betas": (0.9, 0.999)}}
CIFAR = {"name": "cifar10", "size": 32}
PAPER = {"width": 128, "head": 1024, "groups": ()}
LONG = {"batch": 16, "checkpoint_every": 5000, "sample_every": 5000}
SHORT = {
    "clip": 1.0,
    "batch": 16,
    "schedule": "cosine",
    "warmup": 100,
    "log_every": 50,
    "sample_every": 2500,
    "checkpoint_every": 1000,
}
FASHION = {"name": "fashion-mnist", "size": 28, "channels": 1}


class PixelCNNConfig(ModelConfig):
    """`[model]` of pixelcnn."""

    groups: tuple[int, ...] = REPORT_GROUPS
    """Inclusive upper edges of the age groups, in years; empty to use the data's own labels."""
    network: Literal["gated", "pixelcnn", "row-lstm", "diagonal-bilstm"] = "gated"
    """Gated PixelCNN (arXiv 1606.05328), or one of the three of arXiv 1601.06759."""
    levels: int = Field(256, ge=2, le=256)
    """Values that a channel of a pixel may have: 256 are the bytes themselves, 2 black and white.
    Likelihoods compare only where this is the same."""
    layers: int = Field(8, ge=1)
    """Gated layers or residual blocks after the first convolution."""
    width: int = Field(32, ge=3)
    """P of the gated network, h of the others, whose residual maps are 2h."""
    kernel: int = Field(3, ge=3, le=15)
    """Edge of the convolutions after the first; odd."""
    first_kernel: int = Field(7, ge=3, le=15)
    """Edge of the convolution on the image; odd."""
    head: int = Field(64, ge=3)
    """Maps between the two 1x1 convolutions before the softmax."""
    conditional: bool = True
    """Draw by label, where the data have labels and the network is gated."""
    spatial: int = Field(0, ge=0)
    """Maps of the picture m(h) that is drawn of the class and tells the places of an image apart
    (arXiv 1606.05328, section 2.3); 0: the gates of the gated network know the class alone."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    ema: float | None = Field(None, gt=0)
    """Half-life of the weights' average, in images."""
    epochs: float = Field(50, gt=0)

    @model_validator(mode="after")
    def fitting(self) -> Self:
        """Refuse kernels without a middle, and a picture that no gate would see."""
        for name in ("kernel", "first_kernel"):
            if getattr(self, name) % 2 == 0:
                raise ValueError(f"model.{name}: {getattr(self, name)} is even: give an odd edge")
        if self.spatial and self.network != "gated":
            raise ValueError(f"model.spatial: {self.network} has no gates to tell of places")
        return self

    presets: ClassVar = {
        "tiny": {
            "model": {"levels": 4, "layers": 2, "width": 6, "head": 6, "first_kernel": 5},
            "data": {"name": "shapes", "size": 8},
            "train": {"batch": 8, "steps": 20, "sample_every": 20, "log_every": 5},
        },
        "quick": {
            "model": {
                "levels": 16,
                "layers": 6,
                "head": 48,
                "spatial": 24,
                "ema": 6000.0,
                "optim": {"lr": 3e-3, "betas": (0.9, 0.999)},
            },
            "data": {"name": "people", "size": 32, "channels": 1, "count": 6000, "variety": 0.35},
            "train": {
                "batch": 16,
                "steps": 2000,
                "sample_every": 500,
                "schedule": "cosine",
                "warmup": 50,
                "clip": 1.0,
            },
        },
        "good": {
            "model": {"layers": 6, "ema": 3000.0, **FAST},
            "data": FASHION,
            "train": {"steps": 7500, **SHORT},
        },
        "binary": {
            "model": {"layers": 6, "levels": 2, "ema": 3000.0, **FAST},
            "data": FASHION,
            "train": {"steps": 4000, **SHORT},
        },
        "paper": {
            "model": {"network": "pixelcnn", "layers": 15, **PAPER},
            "data": CIFAR,
            "train": LONG,
        },
        "paper-row": {
            "model": {"network": "row-lstm", "layers": 12, **PAPER},
            "data": CIFAR,
            "train": LONG,
        },
        "paper-diagonal": {
            "model": {"network": "diagonal-bilstm", "layers": 12, **PAPER},
            "data": CIFAR,
            "train": LONG,
        },
        "paper-mnist": {
            "model": {
                "network": "diagonal-bilstm",
                "layers": 7,
                "width": 16,
                "head": 32,
                "levels": 2,
                "groups": (),
            },
            "data": {"name": "mnist", "size": 28, "channels": 1},
            "train": LONG,
        },
        "paper-gated": {
            "model": {
                "layers": 20,
                "width": 384,
                "kernel": 5,
                "first_kernel": 7,
                "head": 1024,
                "groups": (),
            },
            "data": CIFAR,
            "train": {"batch": 128, "checkpoint_every": 5000, "sample_every": 5000},
        },
    }
