"""`model.loss`: the adversarial loss and its regularizers.

Every loss accepts every regularizer. Contradictions are refused here, before any training.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator
from pydantic_core import core_schema

from ganzoo_core.config.base import Config, parse
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import import_target, zoo

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LIPSCHITZ_OPTIONS = ("weight_clip", "gradient_penalty", "dragan", "r1", "r2")
"""The options that bound the slope of the discriminator."""


class LossOptions(Config):
    """The options of `model.loss` for every kind; a weight of 0 turns a term off. A plugin's loss
    adds its own options by subclassing; `ganzoo_core.losses.make_loss` passes these to its class.
    """

    kind: str
    """A loss of the zoo: `ganzoo list loss`."""
    r1: Weight = 0.0
    """Weight of 1/2 E |grad D(x)|^2 on real images."""
    r2: Weight = 0.0
    """Weight of 1/2 E |grad D(G(z))|^2 on fake images."""
    gradient_penalty: Weight = 0.0
    """Weight of E (|grad D| - 1)^2 between real and fake images; 10 in WGAN-GP."""
    dragan: Weight = 0.0
    """Weight of E (|grad D| - 1)^2 around real images; 10 in DRAGAN."""
    weight_clip: Weight = 0.0
    """Absolute value to which the weights of D are clipped after each update; 0.01 in WGAN."""
    feature_matching: Weight = 0.0
    """Weight of |E f(x) - E f(G(z))|^2 over the feature maps of D, in the generator's loss."""
    wrong_label_weight: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Weight of real images with wrong labels among the negatives of D, for networks that receive
    labels; 0.5 in GAN-CLS. A wrong age bin is an adjacent one."""
    wrong_label_epochs: Weight = 0.0
    """Epochs during which wrong labels are used; 0 for all of the training. With wrong labels the
    samples are more typical of their class than real images are, so it helps to end them."""

    label_smoothing_kinds: ClassVar[tuple[str, ...]] = ("bce", "lsgan", "minimax")
    """The losses that accept `real_target`."""

    @model_validator(mode="after")
    def check_single_lipschitz(self) -> Self:
        """Refuse two constraints of one kind."""
        active = [k for k in ("weight_clip", "gradient_penalty", "dragan") if getattr(self, k)]
        if len(active) > 1:
            raise UsageError(
                f"model.loss: {' and '.join(active)} exclude each other: keep one, such as "
                f"--set model.loss.{active[0]}=0"
            )
        return self

    @model_validator(mode="after")
    def check_wrong_label_epochs(self) -> Self:
        """Refuse epochs of wrong labels without a weight."""
        if self.wrong_label_epochs and not self.wrong_label_weight:
            raise UsageError(
                "model.loss.wrong_label_epochs needs a weight: "
                "--set model.loss.wrong_label_weight=0.5, or leave wrong_label_epochs out"
            )
        return self

    def build(self) -> Any:
        """Return the loss, built with the options that are its own."""
        own = {k: v for k, v in dict(self).items() if k not in LossOptions.model_fields}
        return import_target(zoo().loss(self.kind).target)(**own)


RealTarget = Annotated[float, Field(gt=0.5, le=1)]


class BCEOptions(LossOptions):
    """Cross-entropy, non-saturating."""

    kind: Literal["bce"] = "bce"
    real_target: RealTarget = 1.0
    """The target of real images; below 1 it is one-sided label smoothing."""
    halve_d_loss: bool = False
    """Multiply the discriminator's loss by 1/2."""


class MinimaxOptions(BCEOptions):
    """Cross-entropy, saturating: the generator minimizes log(1 - D(G(z)))."""

    kind: Literal["minimax"] = "minimax"  # type: ignore[assignment]


class LeastSquaresOptions(LossOptions):
    """Least squares."""

    kind: Literal["lsgan"] = "lsgan"
    real_target: RealTarget = 1.0
    """The target of real images; below 1 it is one-sided label smoothing."""


class HingeOptions(LossOptions):
    """Hinge."""

    kind: Literal["hinge"] = "hinge"


class WassersteinOptions(LossOptions):
    """Wasserstein: weight clipping unless another Lipschitz constraint is set."""

    kind: Literal["wasserstein"] = "wasserstein"

    @model_validator(mode="before")
    @classmethod
    def default_weight_clip(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Clip as the paper does where no constraint is named."""
        return values if set(LIPSCHITZ_OPTIONS) & set(values) else {**values, "weight_clip": 0.01}

    @model_validator(mode="after")
    def check_lipschitz(self) -> Self:
        """Refuse a discriminator without any constraint: its values diverge."""
        if not any(getattr(self, name) for name in LIPSCHITZ_OPTIONS):
            raise UsageError(
                "model.loss: the Wasserstein loss needs a Lipschitz constraint: "
                "--set model.loss.weight_clip=0.01, or --set model.loss.gradient_penalty=10"
            )
        return self


class RelativisticOptions(LossOptions):
    """Relativistic pairing; with r1 and r2 it is R3GAN's."""

    kind: Literal["relativistic"] = "relativistic"


class RelativisticAverageOptions(LossOptions):
    """Relativistic average."""

    kind: Literal["relativistic-average"] = "relativistic-average"


class FeatureMatchingOptions(BCEOptions):
    """Cross-entropy for D; G is trained by feature matching alone."""

    kind: Literal["feature-matching"] = "feature-matching"  # type: ignore[assignment]
    feature_matching: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Weight of |E f(x) - E f(G(z))|^2 over the feature maps of D."""


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
