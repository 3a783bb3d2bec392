"""Options and presets of `facenet`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import Adam, ModelConfig

_PEOPLE_96K = {"name": "people", "image_size": 64, "count": 96000, "photos_per_person": 4}
_TRAIN_BATCH160_COSINE = {
    "batch_size": 160,
    "lr_scheduler": "cosine",
    "warmup_steps": 120,
    "log_every": 50,
    "checkpoint_every": 1000,
}


class FaceNetConfig(ModelConfig):
    """`[model]` of facenet."""

    network: Literal["plain", "residual", "inception"] = "plain"
    """`plain` and `residual`: at most 1.0 M parameters, for 64 px. `inception`: InceptionResnetV1,
    for 160 px."""
    base_channels: int = Field(32, ge=4)
    """Channels of the first convolution of the small networks."""
    embed_dim: int = Field(128, ge=2)
    """Length of the embeddings; InceptionResnetV1 has 512."""
    num_classes: int = Field(0, ge=0)
    """Identities of the classifier in published InceptionResnetV1 checkpoints; 0 for none."""
    objective: Literal["triplet", "supcon", "instance"] = "triplet"
    """`triplet`: as in the paper. `supcon`: a softmax over all pairs of the batch, which converges
    faster. `instance`: two augmented views of one photograph, for data without identities."""
    mining: Literal["semi-hard", "hard", "all"] = "semi-hard"
    """Which negatives of the batch form triplets."""
    margin: float = Field(0.2, gt=0)
    """Minimum gap between the squared distances of a triplet."""
    temperature: float = Field(0.08, gt=0)
    """For `supcon`."""
    images_per_identity: int = Field(4, ge=2)
    """K of the P x K sampler: photographs of each identity in a batch."""
    pretrain_epochs: float = Field(0, ge=0)
    """Epochs of identity classification before the metric learning."""
    augment: str = ""
    """Augmentation of the training images, such as "flip,crop"; see `ganzoo_core.data.augment`."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    """Optimizer of the networks."""
    ema_halflife_images: float | None = 20000.0
    """Half-life of the moving average of the weights, in images; none for no average."""
    epochs: float = Field(20, gt=0)
    """Passes over the training images of the metric learning."""

    presets: ClassVar = {
        "smoke": {
            "model": {
                "base_channels": 8,
                "embed_dim": 16,
                "pretrain_epochs": 1,
                "ema_halflife_images": 100.0,
                "epochs": 2,
            },
            "data": {"name": "shapes", "image_size": 32},
            "train": {"batch_size": 16, "log_every": 5},
        },
        "quick": {
            "model": {"objective": "supcon", "epochs": 5, "optim": {"lr": 2e-3}},
            "data": {
                "name": "people",
                "image_size": 64,
                "count": 8000,
                "photos_per_person": 8,
                "split": "auxiliary",
            },
            "train": _TRAIN_BATCH160_COSINE,
        },
        "people-64": {
            "model": {"objective": "supcon", "epochs": 12, "optim": {"lr": 2e-3}},
            "data": {**_PEOPLE_96K, "split": "auxiliary"},
            "train": {**_TRAIN_BATCH160_COSINE, "batch_size": 256},
        },
        "people-64-held-out": {
            "model": {
                "network": "residual",
                "objective": "supcon",
                "epochs": 12,
                "optim": {"lr": 2e-3},
            },
            "data": {**_PEOPLE_96K, "split": "evaluator"},
            "train": {**_TRAIN_BATCH160_COSINE, "batch_size": 256, "seed": 1},
        },
        "utkface-64": {
            "model": {
                "objective": "instance",
                "augment": "flip,crop,color",
                "epochs": 4,
                "optim": {"lr": 2e-3},
            },
            "data": {"name": "utkface", "image_size": 64, "transform": "face-align"},
            "train": {**_TRAIN_BATCH160_COSINE, "batch_size": 256},
        },
        "paper": {
            "model": {
                "network": "inception",
                "embed_dim": 512,
                "images_per_identity": 40,
                "augment": "flip",
                "optim": {"lr": 0.05, "betas": (0.9, 0.999), "eps": 0.1},
                "ema_halflife_images": None,
                "epochs": 90,
            },
            "data": {"image_size": 160},
            "train": {"batch_size": 1800},
        },
    }
