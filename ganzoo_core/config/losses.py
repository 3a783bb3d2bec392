"""`model.loss`: which adversarial loss, and what bounds the discriminator beside it.

Every loss takes every regulariser; what contradicts itself is refused here, before any training.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator
from pydantic_core import core_schema

from ganzoo_core.config.base import Config, parse
from ganzoo_core.errors import UsageError
from ganzoo_core.zoo import resolve, zoo

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
BOUNDS = ("clip", "gradient_penalty", "dragan", "r1", "r2")
"""What keeps a discriminator from growing without limit."""


class LossOptions(Config):
    """What `model.loss` takes whatever its kind: weights, 0 for none. A plugin's loss adds its
    own options by subclassing, and `ganzoo_core.losses.make_loss` hands these to its class."""

    kind: str
    """A loss of the zoo: `ganzoo list losses`."""
    r1: Weight = 0.0
    """1/2 E |grad D(x)|^2 on real images."""
    r2: Weight = 0.0
    """1/2 E |grad D(G(z))|^2 on fakes."""
    gradient_penalty: Weight = 0.0
    """E (|grad D| - 1)^2 between real images and fakes; WGAN-GP takes 10."""
    dragan: Weight = 0.0
    """E (|grad D| - 1)^2 around real images; DRAGAN takes 10."""
    clip: Weight = 0.0
    """D's weights are cut to this after each of its steps; WGAN takes 0.01."""
    feature_matching: Weight = 0.0
    """|E f(x) - E f(G(z))|^2 over D's maps, added to the generator's loss."""
    mismatch: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of real images under wrong labels among what D must refuse, where it sees labels;
    GAN-CLS takes 0.5. Wrong age groups are neighbours."""
    mismatch_epochs: Weight = 0.0
    """So many epochs D is shown them, that samples may be no more typical than real images are in
    the end; 0: as long as it learns."""

    smoothed: ClassVar[tuple[str, ...]] = ("bce", "lsgan", "minimax")
    """The losses that have labels to smooth."""

    @model_validator(mode="after")
    def one_bound(self) -> Self:
        """Refuse two bounds of one kind."""
        ways = [name for name in ("clip", "gradient_penalty", "dragan") if getattr(self, name)]
        if len(ways) > 1:
            raise UsageError(
                f"model.loss: {' and '.join(ways)} are rival bounds of the discriminator: keep "
                f"one, such as --set model.loss.{ways[0]}=0"
            )
        return self

    @model_validator(mode="after")
    def something_to_end(self) -> Self:
        """Refuse an end of what never begins."""
        if self.mismatch_epochs and not self.mismatch:
            raise UsageError(
                "model.loss.mismatch_epochs: there is no mismatch to end: --set "
                "model.loss.mismatch=0.5, or leave mismatch_epochs out"
            )
        return self

    def build(self) -> Any:
        """Return the loss itself, made from the options that are its own."""
        own = {k: v for k, v in dict(self).items() if k not in LossOptions.model_fields}
        return resolve(zoo().loss(self.kind).target)(**own)


Share = Annotated[float, Field(gt=0.5, le=1)]


class BCEOptions(LossOptions):
    """Cross-entropy, non-saturating."""

    kind: Literal["bce"] = "bce"
    real_target: Share = 1.0
    """Below 1: one-sided label smoothing; the report uses 0.9."""
    half: bool = False
    """Halve the discriminator's sum."""


class MinimaxOptions(BCEOptions):
    """Cross-entropy, saturating: the generator minimises log(1 - D(G(z)))."""

    kind: Literal["minimax"] = "minimax"  # type: ignore[assignment]


class LeastSquaresOptions(LossOptions):
    """Least squares."""

    kind: Literal["lsgan"] = "lsgan"
    real_target: Share = 1.0
    """Below 1: one-sided label smoothing."""


class HingeOptions(LossOptions):
    """Hinge."""

    kind: Literal["hinge"] = "hinge"


class WassersteinOptions(LossOptions):
    """Wasserstein: by weight clipping unless another bound is set."""

    kind: Literal["wasserstein"] = "wasserstein"

    @model_validator(mode="before")
    @classmethod
    def clipped(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Clip as the paper does where no bound is named."""
        return values if set(BOUNDS) & set(values) else {**values, "clip": 0.01}

    @model_validator(mode="after")
    def bounded(self) -> Self:
        """Refuse a critic without any bound: its values grow for ever."""
        if not any(getattr(self, name) for name in BOUNDS):
            raise UsageError(
                "model.loss: a Wasserstein critic needs a bound: --set model.loss.clip=0.01, or "
                "--set model.loss.gradient_penalty=10"
            )
        return self


class RelativisticOptions(LossOptions):
    """Relativistic pairing; with r1 and r2 it is R3GAN's."""

    kind: Literal["relativistic"] = "relativistic"


class RelativisticAverageOptions(LossOptions):
    """Relativistic average."""

    kind: Literal["relativistic-average"] = "relativistic-average"


class FeatureMatchingOptions(BCEOptions):
    """Cross-entropy for D; the generator only matches features."""

    kind: Literal["feature-matching"] = "feature-matching"  # type: ignore[assignment]
    feature_matching: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


def options_of(kind: str) -> type[LossOptions]:
    """Import the options class of a loss of the zoo.

    Raises:
        UsageError: there is no such loss. PluginError: its plugin is missing or broken.
    """
    spec = zoo().loss(kind)
    cls: type[LossOptions] = resolve(spec.config) if spec.config else LossOptions
    return cls


def read_loss(value: Any) -> LossOptions:
    """Turn a table, or the mere name of a loss, into its options.

    Raises:
        UsageError: an unknown loss or option, or a value that does not fit.
    """
    if isinstance(value, LossOptions):
        return value
    values = {"kind": value} if isinstance(value, str) else value
    if not isinstance(values, dict) or not isinstance(values.get("kind", ""), str):
        raise UsageError(f"model.loss: {value!r} is no loss: --set model.loss.kind=bce")
    values = {"kind": "bce", **values}
    cls = options_of(values["kind"])
    if "real_target" in values and "real_target" not in cls.model_fields:
        raise UsageError(
            f"model.loss.real_target: the loss {values['kind']!r} has no labels to smooth; leave "
            f"it out, or take --set model.loss.kind={' or '.join(cls.smoothed)}"
        )
    return parse(cls, values, "model.loss")


class AnyLoss:
    """Marks a field that takes the options of any loss of the zoo, told apart by `kind`."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Read tables with `read_loss`."""
        return core_schema.no_info_before_validator_function(read_loss, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Show the options of every loss that is installed."""
        return {"anyOf": [options_of(k).model_json_schema() for k in zoo().names("loss")]}


LossChoice = Annotated[SerializeAsAny[LossOptions], AnyLoss]
"""The type of a model's option `loss`."""
