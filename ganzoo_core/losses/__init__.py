"""Adversarial losses and regularizers."""

from ganzoo_core.losses.adversarial import (
    BCE,
    FeatureMatching,
    Hinge,
    LeastSquares,
    Minimax,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
    make_loss,
)
from ganzoo_core.losses.heads import make_heads
from ganzoo_core.losses.regularizers import dragan, gradient_penalty, input_gradient, r1

__all__ = [
    "BCE",
    "FeatureMatching",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "Relativistic",
    "RelativisticAverage",
    "Wasserstein",
    "dragan",
    "gradient_penalty",
    "input_gradient",
    "make_heads",
    "make_loss",
    "r1",
]
