"""The log-likelihood of images under a model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces.batch import DataInfo
from ganzoo_core.interfaces.capabilities import SupportsLikelihood
from ganzoo_core.interfaces.context import SeededRng
from ganzoo_core.interfaces.sampling import Label, eval_mode, label_indices


@torch.no_grad()
def log_likelihood(model: Any, image: Tensor, label: Label = None, seed: int = 0) -> Tensor:
    """Return log p(x), or log p(x | label) of conditional models, on the CPU in nats [N] float64.

    Args:
        image: [N, C, H, W] in [-1, 1], of the size and channels of the model.
        label: a class index or name, one for each image; for conditional models.
        seed: of the random numbers of models that estimate the likelihood.

    Raises:
        UsageError: the model has no likelihood; images of another type, size or range; a label
            that is missing or unknown.
    """
    if not isinstance(model, SupportsLikelihood):
        raise UsageError(f"{type(model).__name__} has no likelihood")
    info: DataInfo = model.info  # type: ignore[attr-defined]
    _check_images(image, info)
    labels = None
    if getattr(model, "conditional", False):
        if label is None:
            raise UsageError(f"{type(model).__name__} is conditional: give the images' labels")
        labels = label_indices(info, label, len(image))
    device = next(model.parameters()).device  # type: ignore[attr-defined]
    rng = SeededRng(device, seed, "likelihood")
    with eval_mode(model):  # type: ignore[arg-type]
        labels = None if labels is None else labels.to(device)
        return model.log_likelihood(image.to(device), labels, rng).double().cpu()


def _check_images(image: Tensor, info: DataInfo) -> None:
    shape = (info.num_channels, info.image_size, info.image_size)
    if not image.is_floating_point():
        raise UsageError(f"images are {image.dtype}: give floats in [-1, 1]")
    if image.dim() != 4 or tuple(image.shape[1:]) != shape:
        expected = " x ".join(map(str, shape))
        raise UsageError(f"images are {list(image.shape)}, and the model expects N x {expected}")
    if len(image) and not (image.min() >= -1 and image.max() <= 1):  # NaN is neither
        low, high = float(image.min()), float(image.max())
        raise UsageError(f"images lie in [{low:.4g}, {high:.4g}], not in [-1, 1]")
