"""What a metric is handed: three sets of images, and what networks see in them, made once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import torch

from ganzoo_core.data import Images, cache_folder
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import load_tensors, save_tensors
from ganzoo_core.interfaces import DataInfo, Model
from ganzoo_core.metrics import classifier
from ganzoo_core.metrics.figures import Unfit
from ganzoo_core.metrics.networks import Network, Seen, independent, look

Side = Literal["train", "test", "real", "fake"]


class Bar(Protocol):
    """Progress of one task at a time, such as `report.Progress`."""

    def start(self, title: str) -> None:
        """Begin a task."""

    def advance(self, done: int, total: int) -> None:
        """Move to `done` of `total`."""

    def stop(self) -> None:
        """End the task."""


class Hidden:
    """Progress that is not shown."""

    def start(self, title: str) -> None:
        """Begin a task."""

    def advance(self, done: int, total: int) -> None:
        """Move to `done` of `total`."""

    def stop(self) -> None:
        """End the task."""


@dataclass
class Case:
    """One evaluation. Sets and networks are read-only; what is costly is made once, when asked."""

    train: Images
    """Real images: what judges learn from, and where copies are looked for."""
    test: Images
    """Real images held out: what classifiers are tested on."""
    real: Images
    """Real images that samples are compared with: n of the held-out ones, unless told otherwise."""
    fake: Images
    """Samples, uint8, labelled in the proportions of `real` where the model takes labels; none
    where no metric looks at them."""
    make_network: Callable[[Case], Network]
    """Builds the feature network when the first metric asks for it."""
    conditional: bool = False
    """Whether the samples' labels were asked for."""
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    bar: Bar = field(default_factory=Hidden)
    parents: frozenset[str] = frozenset()
    """sha256 of the networks that the model was trained against, and of its own."""
    cache: Path | None = None
    """Folder of trained judges and real features; ganzoo's own where none is given."""
    folder: Path | None = None
    """Where a metric may leave pictures; None for nowhere."""
    model: Model | None = None
    """What is measured, for metrics that ask it and no samples."""
    notes: list[str] = field(default_factory=list)
    """What a reader of the figures should know; shown below them."""

    def __post_init__(self) -> None:
        """Refuse sets of different sizes.

        Raises:
            UsageError: names two of them.
        """
        wanted = shape(self.real)
        for side in ("train", "test", "fake"):
            if (found := shape(getattr(self, side))) != wanted:
                raise UsageError(
                    f"the {side} images are {found} and the real ones {wanted}: prepare all at "
                    "the size and channels of the model"
                )

    @property
    def info(self) -> DataInfo:
        """Facts of the real data: size, channels, classes."""
        return self.real.info

    @cached_property
    def network(self) -> Network:
        """The feature network.

        Raises:
            UsageError: it is not independent of the model or of the images.
        """
        network = self.make_network(self)
        independent(network, self.real, self.parents)
        return network

    @cached_property
    def judge(self) -> Network:
        """The classifier of the real training images.

        Raises:
            Unfit: no labels. UsageError: the held-out images are those it would learn from.
        """
        judge = self.train_on(self.train, "training the judge")
        independent(judge, self.test, self.parents)
        return judge

    def train_on(self, images: Images, title: str, cached: bool = True) -> Network:
        """Return a classifier trained on images by the one recipe, with progress."""
        self.bar.start(title)
        try:
            if cached:
                return classifier.judge(
                    images, self.device, self.bar.advance, self.cached("judges")
                )
            net = classifier.trained(images, self.device, self.seed, self.bar.advance)
            return Network(title, net, "", net.head.in_features)
        finally:
            self.bar.stop()

    def cached(self, kind: str) -> Path:
        """Return a folder of the cache."""
        return (self.cache or cache_folder().parent) / kind

    def seen(self, side: Side, network: Network | None = None) -> Seen:
        """Return a side as the feature network sees it, or as another one does.

        What it sees in real images is kept on disk under the network's and the images' sha256; a
        network without one is asked anew.
        """
        network = network or self.network
        if not network.sha256:
            return self.find(getattr(self, side), network, keep=False)
        memo: dict[tuple[str, str], Seen] = self.__dict__.setdefault("_seen", {})
        key = (side, network.sha256)
        if key not in memo:
            memo[key] = self.find(getattr(self, side), network, keep=side != "fake")
        return memo[key]

    def find(self, images: Images, network: Network, keep: bool) -> Seen:
        """Read from the cache, or look and keep."""
        key = json.dumps([network.stamp(), images.info.fingerprint, torch.__version__])
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        path = self.cached("features") / f"{digest}.safetensors"
        if keep:
            try:
                found, _ = load_tensors(path)
                return Seen(found["features"], found.get("logits"))
            except (WeightsError, KeyError):
                pass
        what = "samples" if images is self.fake else "real images"
        self.bar.start(f"looking at {len(images):,} {what}")
        try:
            seen = look(network, images, self.bar.advance)
        finally:
            self.bar.stop()
        if keep:
            path.parent.mkdir(parents=True, exist_ok=True)
            both = {"features": seen.features, "logits": seen.logits}
            save_tensors(path, {k: v for k, v in both.items() if v is not None})
        return seen

    def labelled(self, what: str) -> None:
        """Refuse a metric of labels where the model was asked for none.

        Raises:
            Unfit: says which.
        """
        if self.real.label is None:
            raise Unfit(f"{what} needs labels, and {self.info.name or 'the data'} have none")
        if not self.conditional:
            raise Unfit(f"{what} needs a model that is asked for a label")
        known = set(self.train.info.present)
        sides = ((self.test, "held-out image"), (self.real, "real image"), (self.fake, "sample"))
        for images, word in sides:
            if lacking := sorted(known - set(images.info.present)):
                names = ", ".join(self.info.classes[i] for i in lacking)
                raise Unfit(f"{what}: no {word} of class {names}: give more data or a larger -n")
        if strange := sorted(set(self.test.info.present) - known):
            names = ", ".join(self.info.classes[i] for i in strange)
            raise Unfit(f"{what}: no training image of class {names}, so no judge can know it")


def shape(images: Images) -> str:
    """Return channels and edge in words."""
    return f"{images.info.channels} x {images.info.size} x {images.info.size} px"
