"""`model.terms`: regularizers, conditioning losses and controls of D, one table each.

``[model.terms.r1] weight = 10``; `--set model.terms.r1.weight=10`; `--set model.terms.r1=none`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, SerializeAsAny, model_validator
from pydantic_core import core_schema

from ganzoo_core.config.base import NONE, Config, parse
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import import_target, zoo

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Epochs = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TermOptions(Config):
    """The base of a term's options. A plugin's term adds its own by subclassing; all but `weight`
    and `interval` are passed to its class."""

    excludes: ClassVar[tuple[str, ...]] = ()
    """Names of terms that exclude this one."""

    def build(self, name: str) -> Any:
        """Return the term, a `ganzoo_core.interfaces.Term`, of this name in the zoo."""
        options = dict(self)
        weight, interval = options.pop("weight", 1.0), options.pop("interval", 1)
        term = import_target(zoo().term(name).target)(**options)
        term.name, term.weight, term.interval = name, weight, interval
        return term


class WeightedTermOptions(TermOptions):
    """The options of a term that is added to a loss."""

    weight: Weight = 1.0
    """Factor of the term in the loss."""
    interval: int = Field(1, ge=1)
    """The term is computed in every `interval`-th step, with its weight times `interval`."""


class R1Options(WeightedTermOptions):
    """1/2 E |grad D(x)|^2 of real images (r1) or fake images (r2)."""

    through_augment: bool = True
    """Differentiate through `model.augment`, as StyleGAN2-ADA and R3GAN do; else the gradient is
    that at the augmented image."""


class GradientPenaltyOptions(WeightedTermOptions):
    """E (|grad D| - 1)^2 between real and fake images."""

    excludes = ("weight-clip", "dragan")
    weight: Weight = 10.0
    """Factor of the term in the loss; 10 in WGAN-GP."""


class DRAGANOptions(WeightedTermOptions):
    """E (|grad D| - 1)^2 around real images."""

    excludes = ("weight-clip", "gradient-penalty")
    weight: Weight = 10.0
    """Factor of the term in the loss; 10 in DRAGAN."""


class WeightClipOptions(TermOptions):
    """The weights of D are clipped after each update."""

    excludes = ("gradient-penalty", "dragan")
    value: Weight = 0.01
    """Largest absolute value of a weight; 0.01 in WGAN."""


class FeatureMatchingOptions(WeightedTermOptions):
    """|E f(x) - E f(G(z))|^2 over the feature maps of D, in the loss of G."""


class WrongLabelsOptions(TermOptions):
    """Real images with wrong labels are further negatives of D."""

    weight: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the wrong labels in the loss of D; 0.5 in GAN-CLS."""
    epochs: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Epochs during which wrong labels are used; 0 for all of the training. With wrong labels the
    samples are more typical of their class than real images are, so it helps to end them."""


class ADCOptions(WeightedTermOptions):
    """The auxiliary discriminative classifier; weight 1 in ADC-GAN."""


class D2DCEOptions(WeightedTermOptions):
    """The data-to-data cross-entropy of ReACGAN."""

    weight: Weight = 0.5
    """Factor of the term in the loss; 0.5 for CIFAR-10 in ReACGAN."""
    margin: float = Field(0.98, gt=0, le=1)
    """Cosine to its proxy above which an embedding has no positive loss."""
    temperature: float = Field(0.5, gt=0)
    """Temperature of the cross-entropy."""
    embed_dim: int = Field(512, ge=2)
    """Length of the embeddings, for discriminators without embeddings of their own."""


class ACOptions(WeightedTermOptions):
    """The auxiliary classifier; weight 1 in ACGAN."""

    excludes = ("tac",)
    on_fakes: bool = True
    """D classifies the fakes too, as in ACGAN; many later codes train on real images only."""


class TACOptions(WeightedTermOptions):
    """The auxiliary classifier and its twin; weight 1 in TAC-GAN."""

    excludes = ("ac",)


class ConditionalContrastiveOptions(WeightedTermOptions):
    """The conditional contrastive loss; weight 1 in ContraGAN."""

    temperature: float = Field(1.0, gt=0)
    """Temperature of the similarities."""
    embed_dim: int = Field(512, ge=2)
    """Length of the embeddings, for discriminators without embeddings of their own."""


class MultiHingeOptions(TermOptions):
    """The multi-class hinge loss; it replaces `model.loss`."""

    g_weight: Weight = 0.05
    """Factor in the loss of G; 0.05 in MHGAN, beside feature matching."""


class CROptions(WeightedTermOptions):
    """E |D(x) - D(T(x))|^2 of real images x and their augmented copies T(x)."""

    excludes = ("bcr",)
    weight: Weight = 10.0
    """Factor of the term in the loss; 10 in CR-GAN."""


class BCROptions(WeightedTermOptions):
    """E |D(x) - D(T(x))|^2 of real and of fake images."""

    excludes = ("cr",)
    weight: Weight = 10.0
    """Factor of the term in the loss; 10 in ICR-GAN."""


class ZCROptions(WeightedTermOptions):
    """Consistency of D, and diversity of G, for two latents that are close."""

    noise_std: float = Field(0.05, gt=0)
    """Standard deviation of the difference of the latents."""
    d_weight: Weight = 5.0
    """Factor of E |D(G(z)) - D(G(z'))|^2 in the loss of D; 5 or 20 in ICR-GAN."""
    g_weight: Weight = 0.5
    """Factor of -E |G(z) - G(z')|^2 in the loss of G; 0.5 in ICR-GAN."""


class LeCamOptions(WeightedTermOptions):
    """The logits of each kind stay near a moving average of the other kind's."""

    weight: Weight = 0.3
    """Factor of the term in the loss; 0.3 for CIFAR-10."""
    decay: float = Field(0.9, ge=0, lt=1)
    """Decay of the moving averages for each update of D."""
    start: int = Field(1000, ge=0)
    """The first step at which the term counts."""


class LipschitzOptions(WeightedTermOptions):
    """max |grad D|^2 between real and fake images."""

    excludes = ("gradient-penalty", "dragan", "weight-clip")
    weight: Weight = 10.0
    """Factor of the term in the loss."""


class OrthogonalOptions(WeightedTermOptions):
    """|W W^T o (1 - I)|_F^2 of the layers of G."""

    weight: Weight = 1e-4
    """Factor of the term in the loss; 1e-4 in BigGAN."""


class TopKOptions(TermOptions):
    """G is trained on the k fakes with the highest logits."""

    gamma: float = Field(0.99, gt=0, le=1)
    """Factor of k after each epoch."""
    floor: float = Field(0.5, gt=0, le=1)
    """The smallest k as a share of the batch."""


class ModeSeekingOptions(WeightedTermOptions):
    """The inverse ratio of the distances of two images and of their latents; weight 1 in MSGAN."""


class InfoOptions(WeightedTermOptions):
    """The first entries of z are codes, which D predicts; weight 1 in InfoGAN."""

    categories: int = Field(10, ge=2)
    """Categories of the one-hot code."""
    continuous: int = Field(2, ge=0)
    """Number of codes in [-1, 1]."""
    continuous_weight: float = Field(0.1, ge=0)
    """Factor of the loss of these codes."""


class LatentOptimizationOptions(WeightedTermOptions):
    """Each z makes a step towards higher logits; its squared length is added to both losses."""

    weight: Weight = 0.1
    """Factor of the squared length of the step."""
    step_size: float = Field(0.9, gt=0)
    """Length of the step where the gradient is large."""
    damping: float = Field(0.1, gt=0)
    """Damping of the natural gradient: the larger, the shorter the step."""
    share: float = Field(0.8, gt=0, le=1)
    """Share of the latents that are optimized."""


class APAOptions(TermOptions):
    """Real images are replaced by fakes with probability p, which follows the overfitting of D."""

    target: float = Field(0.6, gt=-1, lt=1)
    """The mean sign of the logits of real images that p is adjusted for."""
    ramp_images: float = Field(500_000, gt=0)
    """Images in which p can go from 0 to 1."""
    initial_p: float = Field(0.0, ge=0, le=1)
    """The first value of p."""


class DFreezeOptions(TermOptions):
    """D is frozen between two epochs, or while its running accuracy is too high."""

    epochs: tuple[Annotated[float, Field(ge=0)], Epochs] | None = None
    """[FROM, TO] in epochs: D is frozen between them while G trains on."""
    above_accuracy: float | None = Field(None, gt=0.5, lt=1)
    """D is frozen while its running accuracy is above this value."""

    @model_validator(mode="after")
    def check_epochs(self) -> Self:
        """Refuse an empty term, and an interval that ends before it starts."""
        if self.epochs is None and self.above_accuracy is None:
            raise ValueError(
                "model.terms.d-freeze has no condition: "
                "--set model.terms.d-freeze.above_accuracy=0.9, or --set model.terms.d-freeze=none"
            )
        if self.epochs and self.epochs[0] >= self.epochs[1]:
            raise ValueError(
                "model.terms.d-freeze.epochs ends before it starts: write [FROM, TO] in epochs"
            )
        return self


class DResetOptions(TermOptions):
    """D and its optimizer are initialized again periodically."""

    every_epochs: Epochs
    """The period in epochs."""


def term_options_class(name: str) -> type[TermOptions]:
    """Import the options class of a term of the zoo.

    Raises:
        UsageError: there is no such term.
        PluginError: its plugin is missing or broken.
    """
    spec = zoo().term(name)
    cls: type[TermOptions] = import_target(spec.config) if spec.config else TermOptions
    return cls


def parse_terms(values: Any) -> dict[str, TermOptions]:
    """Parse a table of terms; those that are "none" are left out.

    Raises:
        UsageError: an unknown term or option, an invalid value, or two terms that exclude each
            other.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"model.terms: {values!r} is not a table: --set model.terms.r1.weight=1")
    terms: dict[str, TermOptions] = {}
    for name, value in values.items():
        if value is None or value == NONE:
            continue
        if isinstance(value, TermOptions):
            terms[name] = value
        elif isinstance(value, Mapping):
            terms[name] = parse(term_options_class(name), value, f"model.terms.{name}")
        else:
            option = "value" if name == "weight-clip" else "weight"
            raise UsageError(
                f"model.terms.{name}: {value!r} is not a table: "
                f"--set model.terms.{name}.{option}={value}"
            )
    for name, term in terms.items():
        if rivals := [rival for rival in term.excludes if rival in terms]:
            raise UsageError(
                f"model.terms: {name} and {rivals[0]} exclude each other: keep one, such as "
                f"--set model.terms.{rivals[0]}=none"
            )
    return terms


class _AnyTerms:
    """Marks a field that accepts a table of terms of the zoo by name."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(parse_terms, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        names = zoo().names("term")
        properties = {name: term_options_class(name).model_json_schema() for name in names}
        return {"type": "object", "properties": properties, "additionalProperties": False}


TermsChoice = Annotated[dict[str, SerializeAsAny[TermOptions]], _AnyTerms]
"""The type of a GAN's option `terms`."""
