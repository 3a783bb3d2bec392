"""Which images a model was trained on: the hashes of their pixels, in the run folder and in the
pretrained folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganzoo_core.errors import WeightsError
from ganzoo_core.files import load_tensors, save_tensors

TRAINING_IMAGES = "training_images"
TRAINING_IMAGES_FILE = f"{TRAINING_IMAGES}.safetensors"


@dataclass(frozen=True)
class TrainingImages:
    """The images of a run, and those of the weights that it was initialized from."""

    hashes: Tensor
    """[N] int64, sorted: `PackedImages.image_hashes` of the data."""
    init_hashes: Tensor | None = None
    """[K] int64, sorted: those of the initial weights, where they are recorded."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of the file."""
        init = {} if self.init_hashes is None else {"init_from": self.init_hashes}
        return {"images": self.hashes, **init}

    def all_hashes(self) -> Tensor:
        """Return the hashes of all images that the weights depend on, sorted."""
        return sorted_hashes(torch.cat([*self.tensors().values()]))

    def count_seen(self, hashes: Tensor) -> int:
        """Return how many of the hashes [n] are those of training images."""
        return int(torch.isin(hashes, self.all_hashes()).sum())


def sorted_hashes(hashes: Tensor) -> Tensor:
    """Return each hash once, sorted."""
    out: Tensor = torch.unique(hashes)
    return out


def save_training_images(folder: Path, images: TrainingImages) -> None:
    """Write the file into a run folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    save_tensors(folder / TRAINING_IMAGES_FILE, images.tensors())


def read_training_images(folder: Path) -> TrainingImages | None:
    """Read the file of a run folder or a pretrained folder; None if there is none.

    Raises:
        WeightsError: it is damaged.
    """
    path = folder / TRAINING_IMAGES_FILE
    if not path.exists():
        return None
    tensors, _ = load_tensors(path)
    for name, tensor in tensors.items():
        if name not in {"images", "init_from"} or tensor.dtype != torch.int64 or tensor.dim() != 1:
            raise WeightsError(f"{path} is damaged: {name!r} is not a list of hashes")
    if "images" not in tensors:
        raise WeightsError(f"{path} is damaged: it has no 'images'")
    return TrainingImages(tensors["images"], tensors.get("init_from"))
