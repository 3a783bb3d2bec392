"""Options and presets of `facenet`."""

from typing import ClassVar, Literal

from pydantic import Field

from ganzoo_core import Adam, ModelConfig

JUDGE_DATA = {"name": "people", "size": 64, "count": 96000, "photos": 4}
JUDGE_TRAIN = {
    "batch": 160,
    "schedule": "cosine",
    "warmup": 120,
    "log_every": 50,
    "checkpoint_every": 1000,
}


class FaceNetConfig(ModelConfig):
    """`[model]` of facenet."""

    network: Literal["plain", "residual", "inception"] = "plain"
    """Two small ones of at most 1.0 M parameters for 64 px, and InceptionResnetV1 for 160 px."""
    width: int = Field(32, ge=4)
    """Channels of the first maps of the small networks."""
    embedding: int = Field(128, ge=2)
    """Length of the vectors; InceptionResnetV1 has 512."""
    classes: int = Field(0, ge=0)
    """People of the classifier that published checkpoints of InceptionResnetV1 carry; 0: none."""
    objective: Literal["triplet", "contrast", "instance"] = "triplet"
    """Triplets as in the paper; a softmax over all pairs of the batch, which learns faster; or two
    views of one photograph as the pair, for data without identities."""
    mining: Literal["semi-hard", "hard", "all"] = "semi-hard"
    """Which negatives of the batch make triplets."""
    margin: float = Field(0.2, gt=0)
    temperature: float = Field(0.08, gt=0)
    """Of `contrast`."""
    per_identity: int = Field(4, ge=2)
    """K of the P x K photographs of a batch."""
    pretrain: float = Field(0, ge=0)
    """Epochs of classifying the people of the training data, before the pairs."""
    augment: str = ""
    """What training images go through, such as "flip,jitter"; see `ganzoo_core.data.augment`."""
    optim: Adam = Adam(lr=1e-3, betas=(0.9, 0.999))
    ema: float | None = 20000.0
    """Half-life of the average of the weights, in images."""
    epochs: float = Field(20, gt=0)

    presets: ClassVar = {
        "tiny": {
            "model": {"width": 8, "embedding": 16, "pretrain": 1, "ema": 100.0, "epochs": 2},
            "data": {"name": "shapes", "size": 32},
            "train": {"batch": 16, "log_every": 5},
        },
        "quick": {
            "model": {"objective": "contrast", "epochs": 5, "optim": {"lr": 2e-3}},
            "data": {"name": "people", "size": 64, "count": 8000, "photos": 8, "split": "judge-a"},
            "train": JUDGE_TRAIN,
        },
        "people": {
            "model": {"objective": "contrast", "epochs": 12, "optim": {"lr": 2e-3}},
            "data": {**JUDGE_DATA, "split": "judge-a"},
            "train": {**JUDGE_TRAIN, "batch": 256},
        },
        "people-held-out": {
            "model": {
                "network": "residual",
                "objective": "contrast",
                "epochs": 12,
                "optim": {"lr": 2e-3},
            },
            "data": {**JUDGE_DATA, "split": "judge-b"},
            "train": {**JUDGE_TRAIN, "batch": 256, "seed": 1},
        },
        "paper": {
            "model": {
                "network": "inception",
                "embedding": 512,
                "per_identity": 40,
                "augment": "flip",
                "optim": {"lr": 0.05, "betas": (0.9, 0.999), "eps": 0.1},
                "ema": None,
                "epochs": 90,
            },
            "data": {"size": 160},
            "train": {"batch": 1800},
        },
    }
