"""Options and presets of `pix2pix` and `cyclegan`, and the options of `made-pairs`."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from ganzoo_core import Adam, DataConfig, ModelConfig

SMOKE_TRAIN = {"batch_size": 4, "steps": 8, "sample_every": 4, "log_every": 2}
CONSTANT_THEN_LINEAR = {"batch_size": 1, "lr_scheduler": "constant-linear", "sample_every": 5000}


class MadePairsConfig(DataConfig):
    """`[data]` of `made-pairs`."""

    source: str = "people"
    """The other data set: `ganzoo list dataset`. It receives data.path and the size."""
    source_options: dict[str, Any] = {}
    """Its own options, such as `data.source_options.count=2000`."""
    made: Literal["gray", "edges"] = "gray"
    """What is made of each image: its gray version, or its edges as dark lines."""


class TranslationConfig(ModelConfig):
    """The options of both models."""

    g_channels: int = Field(64, ge=1)
    """Channels of the first conv of G."""
    d_channels: int = Field(64, ge=1)
    """Channels of the first conv of D."""
    d_layers: int = Field(3, ge=1)
    """Convs of D with stride 2; with 3 each logit depends on 70 x 70 px."""
    jitter: int = Field(30, ge=0)
    """Enlarge training images by so many pixels and crop them at a random place."""
    mirror: bool = True
    """Flip training images with probability 1/2."""
    optim_d: Adam = Adam()
    """The optimizer of the discriminator."""
    optim_g: Adam = Adam()
    """The optimizer of the generator."""
    epochs: float = Field(200, gt=0)
    """Length of the training in passes over the data; `train.steps` overrides it."""


class Pix2PixConfig(TranslationConfig):
    """`[model]` of pix2pix."""

    source: int = Field(0, ge=0)
    """The index of the class of the images that G receives."""
    target: int = Field(1, ge=0)
    """The index of the class of their counterparts."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout in the innermost layers of the decoder, the noise of G."""
    pixel_weight: float = Field(100.0, ge=0)
    """Weight of the mean absolute error of the pixels."""

    presets: ClassVar = {
        "smoke": {
            "model": {"g_channels": 2, "d_channels": 4, "d_layers": 2, "jitter": 4},
            "data": {
                "name": "made-pairs",
                "image_size": 32,
                "source": "shapes",
                "source_options": {"count": 64},
            },
            "train": SMOKE_TRAIN,
        },
        "quick": {
            "model": {"g_channels": 16, "d_channels": 16, "jitter": 6, "d_layers": 2},
            "data": {
                "name": "made-pairs",
                "image_size": 64,
                "made": "edges",
                "source_options": {"count": 3000, "nuisance_scale": 0.35},
            },
            "train": {"batch_size": 8, "steps": 1500},
        },
        "fashion-32": {
            "model": {"g_channels": 16, "d_channels": 16, "jitter": 4, "d_layers": 2},
            "data": {
                "name": "made-pairs",
                "image_size": 32,
                "num_channels": 1,
                "made": "edges",
                "source": "fashion-mnist",
            },
            "train": {"batch_size": 16, "steps": 5000, "sample_every": 1000},
        },
        "paper": {  # the facades: 400 pairs in 200 passes
            "data": {"name": "paired-folder", "image_size": 256},
            "train": CONSTANT_THEN_LINEAR,
        },
    }


class CycleGANConfig(TranslationConfig):
    """`[model]` of cyclegan."""

    age_bins: tuple[int, ...] = (30, 50)
    """Inclusive upper edges of the age bins, in years, for data with ages."""
    class_a: int = Field(0, ge=0)
    """The index of the first class."""
    class_b: int | None = Field(None, ge=0)
    """The index of the second class; none for the last one."""
    num_blocks: int | None = Field(None, ge=1)
    """Residual blocks of G; none: 9 from 256 px, else 6."""
    cycle_weight: float = Field(10.0, ge=0)
    """Weight of the cycle consistency loss."""
    identity_weight: float = Field(0.5, ge=0)
    """Weight of the identity loss, times `cycle_weight`; 0 for none."""
    pool_size: int = Field(50, ge=1)
    """Former fakes of each class among which D receives its fakes."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "g_channels": 2,
                "d_channels": 4,
                "d_layers": 2,
                "jitter": 4,
                "num_blocks": 1,
                "pool_size": 6,
            },
            "data": {"name": "shapes", "image_size": 32, "count": 128},
            "train": SMOKE_TRAIN,
        },
        "quick": {
            "model": {
                "g_channels": 16,
                "d_channels": 16,
                "d_layers": 2,
                "jitter": 6,
                "num_blocks": 4,
            },
            "data": {"name": "people", "image_size": 64, "count": 4000, "nuisance_scale": 0.35},
            "train": {"batch_size": 4, "steps": 1500},
        },
        "fashion-32": {  # from T-shirts to ankle boots
            "model": {"g_channels": 16, "d_channels": 16, "d_layers": 2, "jitter": 4},
            "data": {"name": "fashion-mnist", "image_size": 32, "num_channels": 1},
            "train": {"batch_size": 8, "steps": 5000, "sample_every": 1000},
        },
        "paper": {
            "data": {"name": "unpaired-folder", "image_size": 256},
            "train": CONSTANT_THEN_LINEAR,
        },
    }
