"""Optimisers as options: `--set model.optim_g.lr=1e-4`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ganzoo_core.config.base import Config

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Adam(Config):
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) with the usual GAN settings as defaults."""

    kind: Literal["adam"] = "adam"
    lr: Rate = 2e-4
    betas: tuple[Decay, Decay] = (0.5, 0.999)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)

    def __call__(self, params: Iterable[Tensor]) -> Optimizer:
        """Build the optimiser over a player's parameters; one fused kernel a step."""
        import torch

        return torch.optim.Adam(
            params,
            lr=self.lr,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )


class SGD(Config):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    lr: Rate = 0.1
    momentum: Decay = 0.0
    weight_decay: float = Field(0.0, ge=0)

    def __call__(self, params: Iterable[Tensor]) -> Optimizer:
        """Build the optimiser over a player's parameters."""
        import torch

        return torch.optim.SGD(
            params, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, foreach=True
        )


def kind_of(value: Any) -> Any:
    """Return which optimiser a table or object speaks of."""
    return value.get("kind", "adam") if isinstance(value, dict) else getattr(value, "kind", None)


AnyOptim = Annotated[
    Annotated[Adam, Tag("adam")] | Annotated[SGD, Tag("sgd")], Discriminator(kind_of)
]
"""The type of an option that holds an optimiser: `--set model.optim_d.kind=sgd`."""
