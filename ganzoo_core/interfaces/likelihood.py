"""How probable a model finds images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces.batch import DataInfo
from ganzoo_core.interfaces.roles import HasLikelihood
from ganzoo_core.interfaces.sampling import Label, evaluating, label_indices
from ganzoo_core.interfaces.turn import SeededNoise


@torch.no_grad()
def log_likelihood(model: Any, image: Tensor, label: Label = None, seed: int = 0) -> Tensor:
    """Return log p(x), or log p(x | label) of conditional models, on the CPU in nats [N] float64.

    Args:
        image: [N, C, H, W] in [-1, 1], of the size and channels that the model was made for.
        label: a class index or name, one for each image; for conditional models.
        seed: of the noise of models that estimate.

    Raises:
        UsageError: the model gives none; images of another depth, size or range; a label that is
            missing or unknown.
    """
    if not isinstance(model, HasLikelihood):
        raise UsageError(f"{type(model).__name__} gives no likelihood of an image")
    known: DataInfo = model.info  # type: ignore[attr-defined]
    check_images(image, known)
    labels = None
    if getattr(model, "conditional", False):
        if label is None:
            raise UsageError(f"{type(model).__name__} is conditional: give the images' labels")
        labels = label_indices(known, label, len(image))
    device = next(model.parameters()).device  # type: ignore[attr-defined]
    noise = SeededNoise(device, seed, "likelihood")
    with evaluating(model):  # type: ignore[arg-type]
        labels = None if labels is None else labels.to(device)
        return model.log_likelihood(image.to(device), labels, noise).double().cpu()


def check_images(image: Tensor, known: DataInfo) -> None:
    """Refuse images that a model was not made for.

    Raises:
        UsageError: says what they are and what they should be.
    """
    shape = (known.channels, known.size, known.size)
    if not image.is_floating_point():
        raise UsageError(f"images are {image.dtype}: give floats in [-1, 1]")
    if image.dim() != 4 or tuple(image.shape[1:]) != shape:
        wanted = " x ".join(map(str, shape))
        raise UsageError(f"images are {list(image.shape)}, and the model takes N x {wanted}")
    if len(image) and not (image.min() >= -1 and image.max() <= 1):  # NaN is neither
        low, high = float(image.min()), float(image.max())
        raise UsageError(f"images lie in [{low:.4g}, {high:.4g}], not in [-1, 1]")
