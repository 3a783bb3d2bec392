"""The options of every GAN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ganzoo_core.config.base import NONE, Config, ModelConfig, SamplingOptions
from ganzoo_core.config.losses import BCEOptions, LossChoice, parse_loss
from ganzoo_core.config.optim import Adam, OptimizerChoice
from ganzoo_core.config.terms import TermsChoice
from ganzoo_core.errors import UsageError

Norm = Literal["batch", "instance", "layer", "none"]


class NormConfig(Config):
    """A discriminator whose normalization can be chosen."""

    norm: Norm = "batch"
    """Normalization layers: over the batch, or per image (instance, layer), or none."""


class GANConfig(ModelConfig):
    """`[model]` of every GAN."""

    stage_overrides = (*ModelConfig.stage_overrides, "class_balanced", "d_updates")

    class Sampling(SamplingOptions):
        """The sampling options of `GAN.generate`; a GAN that overrides it has its own."""

        truncation: float | None = Field(None, gt=0)
        """Sample z from its prior truncated to absolute values below this: less diverse, closer to
        typical images (BigGAN, arXiv 1809.11096); none for the prior."""

    loss: LossChoice = BCEOptions()
    """The adversarial loss: `ganzoo list losses`."""
    terms: TermsChoice = {}
    """Regularizers, conditioning losses and controls of D by name: `ganzoo list terms`."""
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

    @model_validator(mode="before")
    @classmethod
    def add_default_terms(cls, values: Any) -> Any:
        """Add the terms that the loss needs, unless one of their alternatives is configured."""
        if not isinstance(values, Mapping) or "loss" not in values:
            return values
        loss, terms = parse_loss(values["loss"]), values.get("terms", {})
        if not isinstance(terms, Mapping):
            return values
        configured = {name for name, term in terms.items() if term not in (None, NONE)}
        if configured & set(loss.alternative_terms):
            return values
        return {**values, "loss": loss, "terms": {**loss.default_terms, **terms}}

    @model_validator(mode="after")
    def check_loss_terms(self) -> Self:
        """Refuse a loss without any of the terms that it needs."""
        needed = (*self.loss.default_terms, *self.loss.alternative_terms)
        if needed and not set(needed) & set(self.terms):
            raise UsageError(
                f"model.loss: {self.loss.kind} needs one of the terms {', '.join(needed)}: leave "
                f"model.terms.{needed[0]} at its default"
            )
        return self
