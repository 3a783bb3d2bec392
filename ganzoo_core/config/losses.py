"""`model.loss`: the adversarial loss. Regularizers and other terms are `model.terms`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializeAsAny
from pydantic_core import core_schema

from ganzoo_core.config.base import Config, parse
from ganzoo_core.config.former_names import FORMER_LOSS_OPTIONS
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import import_target, zoo


class LossOptions(Config):
    """The options of `model.loss`. A plugin's loss adds its own by subclassing; all but `kind` are
    passed to its class."""

    kind: str
    """A loss of the zoo: `ganzoo list loss`."""
    label_smoothing_kinds: ClassVar[tuple[str, ...]] = ("bce", "lsgan", "minimax")
    """The losses that accept `real_target`."""
    default_terms: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Terms that the loss needs, added where none of `alternative_terms` is configured."""
    alternative_terms: ClassVar[tuple[str, ...]] = ()

    def build(self) -> Any:
        """Return the loss, built with the options that are its own."""
        own = {k: v for k, v in dict(self).items() if k not in LossOptions.model_fields}
        return import_target(zoo().loss(self.kind).target)(**own)


RealTarget = Annotated[float, Field(gt=0.5, le=1)]


class BCEOptions(LossOptions):
    """Cross-entropy, non-saturating."""

    kind: Literal["bce"] = "bce"
    """The name of the loss."""
    real_target: RealTarget = 1.0
    """The target of real images; below 1 it is one-sided label smoothing."""
    halve_d_loss: bool = False
    """Multiply the discriminator's loss by 1/2."""


class MinimaxOptions(BCEOptions):
    """Cross-entropy, saturating: the generator minimizes log(1 - D(G(z)))."""

    kind: Literal["minimax"] = "minimax"  # type: ignore[assignment]
    """The name of the loss."""


class LeastSquaresOptions(LossOptions):
    """Least squares."""

    kind: Literal["lsgan"] = "lsgan"
    """The name of the loss."""
    real_target: RealTarget = 1.0
    """The target of real images; below 1 it is one-sided label smoothing."""


class HingeOptions(LossOptions):
    """Hinge."""

    kind: Literal["hinge"] = "hinge"
    """The name of the loss."""


class WassersteinOptions(LossOptions):
    """Wasserstein: with weight clipping unless another Lipschitz constraint is configured."""

    kind: Literal["wasserstein"] = "wasserstein"
    """The name of the loss."""
    default_terms = {"weight-clip": {}}
    alternative_terms = ("gradient-penalty", "dragan", "r1", "r2")


class RelativisticOptions(LossOptions):
    """Relativistic pairing; with r1 and r2 it is R3GAN's."""

    kind: Literal["relativistic"] = "relativistic"
    """The name of the loss."""


class RelativisticAverageOptions(LossOptions):
    """Relativistic average."""

    kind: Literal["relativistic-average"] = "relativistic-average"
    """The name of the loss."""


class FeatureMatchingOptions(BCEOptions):
    """Cross-entropy for D; G is trained by feature matching alone."""

    kind: Literal["feature-matching"] = "feature-matching"  # type: ignore[assignment]
    """The name of the loss."""
    default_terms = {"feature-matching": {}}


def loss_options_class(kind: str) -> type[LossOptions]:
    """Import the options class of a loss of the zoo.

    Raises:
        UsageError: there is no such loss.
        PluginError: its plugin is missing or broken.
    """
    spec = zoo().loss(kind)
    cls: type[LossOptions] = import_target(spec.config) if spec.config else LossOptions
    return cls


def parse_loss(value: Any) -> LossOptions:
    """Parse a table, or the name of a loss, into its options.

    Raises:
        UsageError: an unknown loss or option, or an invalid value.
    """
    if isinstance(value, LossOptions):
        return value
    values = {"kind": value} if isinstance(value, str) else value
    if not isinstance(values, dict) or not isinstance(values.get("kind", ""), str):
        raise UsageError(f"model.loss: {value!r} is not a loss: --set model.loss.kind=bce")
    values = {"kind": "bce", **values}
    cls = loss_options_class(values["kind"])
    for name, present in FORMER_LOSS_OPTIONS.items():
        if name in values and name not in cls.model_fields:
            raise UsageError(f"model.loss.{name} is a term: --set model.terms.{present}=...")
    if "real_target" in values and "real_target" not in cls.model_fields:
        raise UsageError(
            f"model.loss.real_target: the loss {values['kind']!r} has no label smoothing; leave it "
            f"out, or --set model.loss.kind={' or '.join(cls.label_smoothing_kinds)}"
        )
    return parse(cls, values, "model.loss")


class _AnyLoss:
    """Marks a field that accepts the options of any loss of the zoo, selected by `kind`."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(parse_loss, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        kinds = zoo().names("loss")
        return {"anyOf": [loss_options_class(kind).model_json_schema() for kind in kinds]}


LossChoice = Annotated[SerializeAsAny[LossOptions], _AnyLoss]
"""The type of a model's option `loss`."""
