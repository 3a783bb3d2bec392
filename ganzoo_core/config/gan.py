"""The options of every GAN, and those that control its discriminator."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ganzoo_core.config.base import Config, ModelConfig
from ganzoo_core.config.losses import BCEOptions, LossChoice
from ganzoo_core.config.optim import Adam, OptimizerChoice

Epochs = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Norm = Literal["batch", "instance", "layer", "none"]


class DiscriminatorControlConfig(Config):
    """`[model.d_control]`: remedies for a discriminator that overfits. A lower learning rate is
    `model.optim_d.lr`, one-sided label smoothing `model.loss.real_target`."""

    reset_every_epochs: Epochs | None = None
    """Initialize D and its optimizer again every so many epochs."""
    freeze_epochs: tuple[Annotated[float, Field(ge=0)], Epochs] | None = None
    """[FROM, TO] in epochs: D is frozen between them while G trains on."""
    freeze_above_accuracy: float | None = Field(None, gt=0.5, lt=1)
    """D is frozen while its running accuracy is above this value."""

    @model_validator(mode="after")
    def check_freeze_epochs(self) -> Self:
        """Refuse an interval that ends before it starts."""
        if self.freeze_epochs and self.freeze_epochs[0] >= self.freeze_epochs[1]:
            raise ValueError("freeze_epochs ends before it starts: write [FROM, TO] in epochs")
        return self


class NormConfig(Config):
    """A discriminator whose normalization can be chosen."""

    norm: Norm = "batch"
    """Normalization layers: over the batch, or per image (instance, layer), or none."""


class GANConfig(ModelConfig):
    """`[model]` of every GAN."""

    loss: LossChoice = BCEOptions()
    """The adversarial loss and its regularizers."""
    optim_d: OptimizerChoice = Adam()
    """The optimizer of the discriminator."""
    optim_g: OptimizerChoice = Adam()
    """The optimizer of the generator."""
    d_updates: int = Field(1, ge=1)
    """Updates of D in each step, each on a new batch (n_critic of WGAN)."""
    class_balanced: bool = False
    """Sample every class equally often, for networks that receive labels."""
    ema_halflife_images: float | None = Field(None, gt=0)
    """Half-life of the generator's exponential moving average, in images; none for no average."""
    epochs: float = Field(50, gt=0)
    """Length of the training in passes over the data; `train.steps` overrides it."""
    d_control: DiscriminatorControlConfig = DiscriminatorControlConfig()
    """Remedies for a discriminator that overfits."""
