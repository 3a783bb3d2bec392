"""The options that every GAN has, and how its discriminator may be held back."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ganzoo_core.config.base import Config, ModelConfig
from ganzoo_core.config.losses import BCEOptions, LossChoice
from ganzoo_core.config.optim import Adam, AnyOptim

Epochs = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Norm = Literal["batch", "instance", "layer", "none"]


class Cures(Config):
    """Ways to hold back a discriminator that wins. A lower rate is `model.optim_d.lr`, one-sided
    label smoothing `model.loss.real_target`."""

    reset_d: Epochs | None = None
    """Initialise D anew every so many epochs, so that the generator gets a head start."""
    halt_d: tuple[Annotated[float, Field(ge=0)], Epochs] | None = None
    """Halt D from one epoch to another; the generator goes on learning against it."""
    halt_d_above: float | None = Field(None, gt=0.5, lt=1)
    """Halt D while its accuracy, averaged over the last batches, is above this."""

    @model_validator(mode="after")
    def a_span(self) -> Self:
        """Refuse a span that ends before it begins."""
        if self.halt_d and self.halt_d[0] >= self.halt_d[1]:
            raise ValueError("halt_d ends before it begins: write [FROM, TO] in epochs")
        return self


class NormedConfig(Config):
    """A discriminator whose normalisation can be chosen."""

    norm: Norm = "batch"
    """batch, or per image: instance, layer, none."""


class GANConfig(ModelConfig):
    """`[model]` of every GAN: the loss, both optimisers, the average, the cures."""

    loss: LossChoice = BCEOptions()
    optim_d: AnyOptim = Adam()
    optim_g: AnyOptim = Adam()
    d_steps: int = Field(1, ge=1)
    """Discriminator steps a round, each on a fresh batch."""
    balanced: bool = False
    """Show every class equally often, where the networks see labels."""
    ema: float | None = Field(None, gt=0)
    """Half-life of the generator's average, in images."""
    epochs: float = Field(50, gt=0)
    cures: Cures = Cures()
    """Against a discriminator that wins."""
