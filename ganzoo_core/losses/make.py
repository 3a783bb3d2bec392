"""From the options `model.loss` to a loss with its regularisers."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ganzoo_core.interfaces import Critic, Loss, Noise, Regularizer
from ganzoo_core.losses.regularizers import dragan, gradient_penalty, r1

TERMS: dict[str, Regularizer] = {
    "r1": lambda critic, real, fake, noise: r1(critic, real),
    "r2": lambda critic, real, fake, noise: r1(critic, fake),
    "gradient_penalty": lambda critic, real, fake, noise: gradient_penalty(
        critic, real, fake, noise(len(real), 1, 1, 1, kind="unit")
    ),
    "dragan": lambda critic, real, fake, noise: dragan(
        critic, real, noise(*real.shape, kind="unit")
    ),
}
"""The regularisers by the name of their weight in `model.loss`."""


def make_loss(options: Any) -> Loss:
    """Build the loss that `model.loss` describes (`ganzoo_core.LossOptions`)."""
    loss: Loss = options.build()
    loss.regularizers = tuple(
        weighted(getattr(options, name), term)
        for name, term in TERMS.items()
        if getattr(options, name)
    )
    loss.clip, loss.feature_matching = options.clip, options.feature_matching
    loss.mismatch, loss.mismatch_epochs = options.mismatch, options.mismatch_epochs
    return loss


def weighted(weight: float, term: Regularizer) -> Regularizer:
    """Return a regulariser times its weight."""

    def scaled(critic: Critic, real: Tensor, fake: Tensor, noise: Noise) -> Tensor:
        return weight * term(critic, real, fake, noise)

    return scaled
