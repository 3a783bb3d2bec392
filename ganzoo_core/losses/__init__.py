"""Adversarial losses and regularisers."""

from ganzoo_core.losses.adversarial import BCE, Hinge, LeastSquares, Relativistic, Wasserstein
from ganzoo_core.losses.regularizers import gradient_penalty, input_gradient, r1

__all__ = [
    "BCE", "Hinge", "LeastSquares", "Relativistic", "Wasserstein",
    "gradient_penalty", "input_gradient", "r1",
]  # fmt: skip
