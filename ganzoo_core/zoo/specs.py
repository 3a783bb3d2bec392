"""Specs: what a plugin registers. Frozen, standard library only, cheap to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

API_VERSION = 1
"""Version of the plugin contract. A plugin written for another version is rejected."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One entry of the zoo. The code behind it is imported only when it is used."""

    name: str
    """As typed on the command line: lower case, words joined by hyphens."""
    summary: str
    """One line for `ganzoo list`."""
    target: str
    """``package.module:Class`` of the implementation."""
    config: str = ""
    """``package.module:Class`` of its pydantic configuration."""
    paper: str = ""
    """Title and arXiv id (or DOI) of the source."""
    license: str = ""
    """SPDX id of the code, or the terms of use of the data."""
    api_version: int = API_VERSION


FAMILIES: dict[str, str] = {
    "implicit": "implicit density: samples, without a likelihood",
    "tractable": "explicit density, tractable: exact likelihoods",
    "approximate": "explicit density, approximate: a bound of the likelihood",
    "discriminative": "discriminative: predicts from images, does not sample",
}
"""Families of models after Goodfellow (NIPS 2016 tutorial, arXiv 1701.00160), and discriminative
networks; see docs/explanation/taxonomy.md."""


FIDELITY_ASPECTS: dict[str, str] = {
    "counts": "numbers of parameters",
    "init": "initial weights",
    "forward": "outputs and gradients of the networks",
    "losses": "loss functions",
    "recipe": "optimizers, batches and schedules of the preset that follows the source",
}
"""What is compared with the paper, or with the authors' code."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """One or more networks that `ganzoo run` trains."""

    capabilities: tuple[str, ...] = ("sample",)
    """What it can do, of `ganzoo list capabilities`, such as ("sample", "likelihood")."""
    auxiliaries: tuple[str, ...] = ()
    """Roles of the frozen networks that its losses use, such as ("identity",)."""
    family: str = ""
    """One of `FAMILIES`; empty for none of them."""
    fidelity: Mapping[str, str] = field(default_factory=dict, hash=False)
    """How it compares with its source: each of `FIDELITY_ASPECTS` is "equal", or "differs: " and
    the rows of the table "Differs from the paper", separated by semicolons; an aspect that the
    source does not give is left out. Empty: not compared."""


@dataclass(frozen=True, kw_only=True)
class CompositionSpec(Spec):
    """A named GAN: a base model with the loss, the terms and the options of a paper.
    `compositions` reads the specs of a package from its TOML files."""

    target: str
    """``package:folder/name.toml``."""
    base: str
    """Name of the model in the zoo."""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A source of images."""

    fields: tuple[str, ...] = ("image",)
    """Fields of `Batch` that it provides, such as ("image", "label")."""
    detect: str = ""
    """``package.module:function`` from the path of ``--data PATH`` to the reason why this data set
    reads it, in a few words, or to an empty text. It must be fast and decode no image."""


@dataclass(frozen=True, kw_only=True)
class EvaluatorSpec(Spec):
    """A frozen network that a plugin ships, as a pretrained folder, or whose weights are a file of
    another installed package.

    Metrics measure with it. If `held_out` is false, losses of any model may use it as an
    auxiliary network too.
    """

    target: str
    """``package:folder/inside`` of the pretrained folder; or ``package.module:function``, which
    returns an `InstalledNetwork` for the weights in another package, and raises `WeightsError` with
    the command that installs it. Such an evaluator is used only where an option names it."""
    role: str
    """What it predicts: identity, or a role of your own."""
    train_data: str = ""
    """The data set it was trained on. Runs on these data use it by default."""
    train_split: str = ""
    """The split it was trained on: it must not be evaluated on the identities of this split."""
    held_out: bool = False
    """Reserved for evaluation: a loss uses it only if an option names it."""

    @property
    def is_shipped(self) -> bool:
        """Whether the plugin has the weights, as a pretrained folder."""
        return self.target.partition(":")[0].isidentifier()


@dataclass(frozen=True, kw_only=True)
class WeightsSpec(Spec):
    """Pretrained weights that a plugin ships as a pretrained folder: `ganzoo sample NAME`.

    `shipped_weights` reads the specs of a package from its folders. `license` is that of the
    weights, which includes the terms of their training data.
    """

    target: str
    """``package:folder/inside`` of the pretrained folder."""
    model: str
    """Name of the model in the zoo."""
    capabilities: tuple[str, ...] = ()
    """What the model can do."""
    metric: str = ""
    """One measured value, such as "gan-test: gan_test_ratio 0.97"."""
    size: int = 0
    """Bytes of all files."""
    terms: str = ""
    """One sentence on what the license allows, which users have to accept once; empty if they need
    not."""


class LossSpec(Spec):
    """An adversarial loss: ``--set model.loss.kind=NAME`` on any GAN."""


class TermSpec(Spec):
    """A term of a GAN's losses: ``--set model.terms.NAME.weight=1`` on any GAN whose networks offer
    what it needs."""


class TransformSpec(Spec):
    """An image transform: ``--set data.transform=NAME`` on any data set. `target` is a class that
    derives from `ImageTransform`."""


@dataclass(frozen=True, kw_only=True)
class CapabilitySpec(Spec):
    """What a model can do. `target` is a runtime-checkable Protocol of the methods; models declare
    the name in `ModelSpec.capabilities`."""

    role: str = ""
    """The role of the auxiliary networks and evaluators that need it; empty for none."""
    output: str = ""
    """What the method returns, such as "embedding", if it has the name of the capability and takes
    images [N, C, H, W] alone. It can then be exported as ONNX."""
    command: str = ""
    """The command of the command line that uses it."""
    checks: tuple[str, ...] = ()
    """``package.module:function`` of conformance checks: each takes the `ModelSubject`, and its
    docstring says what a model that passes does (`ganzoo_core.testing.require`)."""
    stub: str = ""
    """``package.module:Class`` of an untrained network for the role, which the conformance checks
    of models with such an auxiliary network use; empty for a shipped network."""
    pipeline_tag: str = ""
    """The tag of such models on model hubs."""
    limitations: str = ""
    """A paragraph of the cards of such models."""


@dataclass(frozen=True, kw_only=True)
class MetricOption:
    """An option that a metric adds to `ganzoo evaluate`. Metrics that declare the same option
    share its value."""

    name: str
    """``direction`` for ``--direction`` and ``ctx.options["direction"]``."""
    help: str
    default: str = ""
    choices: tuple[str, ...] = ()
    """The allowed values; empty for any text."""
    metavar: str = "TEXT"
    multiple: bool = False
    """Whether it may be repeated: the value is a tuple of texts."""
    parse: str = ""
    """``package.module:function`` from the text, or the tuple of texts, to the value, called
    before the model is loaded; empty to keep the text."""
    completes: str = ""
    """"dataset" to complete names of data sets in the shell."""

    @property
    def flag(self) -> str:
        """The option as typed: ``--direction``."""
        return f"--{self.name.replace('_', '-')}"


METRIC_SUBJECTS = ("samples", "model")
"""Values of `MetricSpec.evaluates`."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A metric for `ganzoo evaluate`; `target` is a function, see docs/explanation/metrics.md."""

    evaluates: str = "samples"
    """"samples": the target receives an `EvaluationContext` with samples and real images.
    "model": it receives a `ModelContext` with the model itself, and nothing is sampled."""
    requires: tuple[str, ...] = ()
    """What it needs: "features" (the feature extractor), "classifier" (trained on the real
    images), or capabilities of the model such as "likelihood", in place of "sample"."""
    min_images: int = 0
    """The real images and the samples that it needs at least: fewer are refused before anything is
    sampled or trained."""
    min_images_per_feature: int = 0
    """The same for each dimension of the features: 1 for a covariance of full rank."""
    is_per_class: bool = False
    """Whether each class needs that many."""
    name_in_other_features: str = ""
    """The name of its values in the features of another network than the standard Inception, such
    as `fd` for `fid`, which then is `fd[NETWORK]`; empty for its own name."""
    options: tuple[MetricOption, ...] = ()
    """Options of `ganzoo evaluate`, only for a metric that evaluates a model."""
    has_baselines: bool = False
    """Whether it can run without a model, on its baselines: `ganzoo evaluate --baselines`."""
    breakdowns: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Names of values that the table of `ganzoo evaluate` shows by part too, with a prefix of the
    names of the parts; JSON has all breakdowns."""


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """A command that a plugin adds to the command line."""

    name: str
    """Two words, such as ``bench gans``, are a command of the group `bench`, which exists as soon
    as a plugin has such a command."""
    help: str
    target: str
    """``package.module:command``, a click command; imported when it is called."""
    aliases: tuple[str, ...] = ()
    """Other names that are accepted and not listed. British spellings of the name and of
    these need no alias."""


@dataclass(frozen=True, kw_only=True)
class GallerySection:
    """A page of the gallery for models with a capability."""

    name: str
    """The heading and, in lower case with hyphens, the address."""
    capability: str
    """A name of `ganzoo list capabilities`: the page offers the models that have it."""
    target: str
    """``package.module:function``, called as ``function(model, photo, options)`` with the loaded
    model, the bytes of a photograph or None, and an object of `config`. It returns pairs of a
    caption and a PIL image: the first two, if `compares`, are before and after."""
    config: str = ""
    """``package.module:Class`` of its options, a `Config`: each becomes a control."""
    takes_photo: bool = False
    """Whether the page has an upload and a camera. A photograph stays in memory."""
    compares: bool = False
    """Whether the first two images are one before and after, drawn on each other."""
    note: str = ""
    """A sentence at the top of the page."""


KINDS: dict[str, type[Spec]] = {
    "model": ModelSpec,
    "composition": CompositionSpec,
    "dataset": DatasetSpec,
    "evaluator": EvaluatorSpec,
    "weights": WeightsSpec,
    "loss": LossSpec,
    "term": TermSpec,
    "metric": MetricSpec,
    "transform": TransformSpec,
    "capability": CapabilitySpec,
}
"""Spec class by kind, the argument of `ganzoo list KIND`."""


def spec_kind(spec: Spec) -> str:
    """Return the kind of a spec, a key of `KINDS`."""
    return next(kind for kind, cls in KINDS.items() if isinstance(spec, cls))
