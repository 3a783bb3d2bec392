"""What a plugin says about itself: frozen, standard library only, cheap to import."""

from __future__ import annotations

from dataclasses import dataclass

API = 1
"""The version of the plugin contract. A plugin written for another one is refused, politely."""


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
    """SPDX id of the code, or the terms under which the data may be used."""
    api: int = API


FAMILIES: dict[str, str] = {
    "implicit": "implicit density: draws images, and cannot say how probable one is",
    "tractable": "explicit density, tractable: says exactly how probable an image is",
    "approximate": "explicit density, approximate: says a bound of how probable an image is",
    "reader": "no density: reads images, draws none",
}
"""The families of models after Goodfellow (NIPS 2016 tutorial, arXiv 1701.00160), and the networks
that only read; see docs/taxonomy.md."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A network, or several, that `ganzoo run` trains."""

    can: tuple[str, ...] = ("sample",)
    """Capabilities that verbs look for: sample, likelihood, translate, embed, estimate_age,
    edit_age."""
    uses: tuple[str, ...] = ()
    """Roles of the frozen judges it trains against, such as ("identity", "age")."""
    family: str = ""
    """One of `FAMILIES`; empty for none of them."""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A source of images."""

    gives: tuple[str, ...] = ("image",)
    """Fields of `Batch` that it can fill: image, label, age, identity, target."""


@dataclass(frozen=True, kw_only=True)
class JudgeSpec(Spec):
    """A bundle of weights that a plugin ships, to serve models of any plugin as a frozen judge."""

    target: str
    """``package:folder/inside`` of the bundle."""
    role: str
    """What it judges: identity, age, or a role of your own."""
    data: str = ""
    """The data set it was trained on: it is chosen first for runs on those data."""
    split: str = ""
    """The split of those data that it learned from: no judge measures its own people."""
    held_out: bool = False
    """Kept for evaluation: no model trains against it unless its name is asked for."""


@dataclass(frozen=True, kw_only=True)
class LossSpec(Spec):
    """An adversarial loss: ``--set model.loss.kind=NAME`` on any GAN."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A measure of samples that `ganzoo evaluate` takes; `target` is a function, see docs."""

    needs: tuple[str, ...] = ()
    """What it is measured by: features (of the feature network), judge (the classifier); or
    `editor`: it is not of samples, but of faces that a model ages; or `likelihood`: it is not of
    samples, but of what the model makes of real images."""


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """A verb that a plugin adds to the command line."""

    name: str
    help: str
    target: str
    """``package.module:command``, a click command; imported when it is called."""


KINDS: dict[str, type[Spec]] = {
    "model": ModelSpec,
    "dataset": DatasetSpec,
    "judge": JudgeSpec,
    "loss": LossSpec,
    "metric": MetricSpec,
}
"""The kinds of entry, by the word that `ganzoo list KIND` takes."""


def kind_of(spec: Spec) -> str:
    """Return the word of `KINDS` for a spec."""
    return next(kind for kind, cls in KINDS.items() if isinstance(spec, cls))
