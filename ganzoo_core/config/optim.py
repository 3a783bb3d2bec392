"""Optimisers as options: `--set model.optim_g.lr=1e-4`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from ganzoo_core.config.base import Config

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


class Adam(Config):
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) with the usual GAN settings as defaults."""

    lr: float = Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)

    def __call__(self, params: Iterable[Tensor]) -> Optimizer:
        """Build the optimiser over a player's parameters; one fused kernel a step."""
        import torch

        return torch.optim.Adam(
            params, lr=self.lr, betas=self.betas, eps=self.eps,
            weight_decay=self.weight_decay, fused=True,
        )  # fmt: skip


class SGD(Config):
    """Stochastic gradient descent with momentum."""

    lr: float = Field(0.1, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)

    def __call__(self, params: Iterable[Tensor]) -> Optimizer:
        """Build the optimiser over a player's parameters."""
        import torch

        return torch.optim.SGD(
            params, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, foreach=True
        )
