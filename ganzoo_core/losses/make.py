"""Builds a loss and its regularizers from the options `model.loss`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ganzoo_core.interfaces import LogitFn, Loss, Regularizer, Rng
from ganzoo_core.losses.regularizers import dragan, gradient_penalty, r1

REGULARIZERS: dict[str, Regularizer] = {
    "r1": lambda logit_fn, real, fake, rng: r1(logit_fn, real),
    "r2": lambda logit_fn, real, fake, rng: r1(logit_fn, fake),
    "gradient_penalty": lambda logit_fn, real, fake, rng: gradient_penalty(
        logit_fn, real, fake, rng.rand(len(real), 1, 1, 1)
    ),
    "dragan": lambda logit_fn, real, fake, rng: dragan(logit_fn, real, rng.rand(*real.shape)),
}
"""The regularizers by the option of `model.loss` that holds their weight."""


def make_loss(options: Any) -> Loss:
    """Return the loss that `model.loss` (`ganzoo_core.LossOptions`) describes."""
    loss: Loss = options.build()
    loss.regularizers = tuple(
        _scale(getattr(options, name), regularizer)
        for name, regularizer in REGULARIZERS.items()
        if getattr(options, name)
    )
    loss.weight_clip = options.weight_clip
    loss.feature_matching = options.feature_matching
    loss.wrong_label_weight = options.wrong_label_weight
    loss.wrong_label_epochs = options.wrong_label_epochs
    return loss


def _scale(weight: float, regularizer: Regularizer) -> Regularizer:
    def scaled(logit_fn: LogitFn, real: Tensor, fake: Tensor, rng: Rng) -> Tensor:
        return weight * regularizer(logit_fn, real, fake, rng)

    return scaled
