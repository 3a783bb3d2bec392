"""Optimizers as options: `--set model.optim_g.lr=1e-4`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ganzoo_core.config.base import Config
from ganzoo_core.config.sections import LRScheduler

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Config):
    """The options of every optimizer."""

    lr_scheduler: LRScheduler | None = None
    """Decay of this learning rate; none for `train.lr_scheduler`."""
    warmup_steps: int | None = Field(None, ge=0)
    """Steps in which this learning rate rises linearly from zero; none for `train.warmup_steps`."""


class Adam(OptimizerConfig):
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) with the usual GAN settings as defaults."""

    kind: Literal["adam"] = "adam"
    """`adam` or `sgd`."""
    lr: Rate = 2e-4
    """Learning rate."""
    betas: tuple[Decay, Decay] = (0.5, 0.999)
    """Decay rates of the first and the second moment."""
    eps: float = Field(1e-8, gt=0)
    """Added to the denominator."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight of the L2 penalty."""

    def __call__(self, params: Iterable[Tensor]) -> Optimizer:
        """Build the optimizer over parameters, with the fused kernel."""
        import torch

        return torch.optim.Adam(
            params,
            lr=self.lr,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )


class SGD(OptimizerConfig):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    """`adam` or `sgd`."""
    lr: Rate = 0.1
    """Learning rate."""
    momentum: Decay = 0.0
    """Momentum factor."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight of the L2 penalty."""

    def __call__(self, params: Iterable[Tensor]) -> Optimizer:
        """Build the optimizer over parameters."""
        import torch

        return torch.optim.SGD(
            params, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, foreach=True
        )


def _optimizer_kind(value: Any) -> Any:
    return value.get("kind", "adam") if isinstance(value, dict) else getattr(value, "kind", None)


OptimizerChoice = Annotated[
    Annotated[Adam, Tag("adam")] | Annotated[SGD, Tag("sgd")], Discriminator(_optimizer_kind)
]
"""The type of an option that holds an optimizer: `--set model.optim_d.kind=sgd`."""
