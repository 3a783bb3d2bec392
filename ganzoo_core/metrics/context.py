"""What a metric receives: sets of images, and the cached outputs of networks on them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import torch

from ganzoo_core.data import PackedImages, default_cache_dir
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import load_tensors, save_tensors
from ganzoo_core.interfaces import DataInfo, Model
from ganzoo_core.metrics import classifier
from ganzoo_core.metrics.feature_extractor import (
    FeatureExtractor,
    NetworkOutputs,
    check_independent,
    extract_features,
)
from ganzoo_core.metrics.metric_value import MetricNotApplicableError

ImageSetName = Literal["train", "test", "real", "fake"]


class ProgressBar(Protocol):
    """Shows one task at a time, such as `report.Progress`."""

    def start(self, title: str) -> None:
        """Start a task."""

    def advance(self, done: int, total: int) -> None:
        """Show that `done` of `total` is done."""

    def stop(self) -> None:
        """End the task."""

    def warning(self, text: str) -> None:
        """Print one line."""


class NullProgressBar:
    """Shows nothing."""

    def start(self, title: str) -> None:
        """Do nothing."""

    def advance(self, done: int, total: int) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def warning(self, text: str) -> None:
        """Do nothing."""


@dataclass
class EvaluationContext:
    """One evaluation. Image sets and networks are read-only; networks and their outputs are
    computed at first use and cached."""

    train: PackedImages
    """Real images that the classifier is trained on and that near-duplicates are searched in."""
    test: PackedImages
    """Held-out real images that classifiers are tested on."""
    real: PackedImages
    """Real images that samples are compared with: by default n of the held-out ones."""
    fake: PackedImages
    """Samples, uint8. Their labels have the proportions of `real` if the model is conditional.
    Empty where no metric needs samples."""
    make_feature_extractor: Callable[[EvaluationContext], FeatureExtractor]
    """Builds the feature extractor at its first use."""
    conditional: bool = False
    """Whether the samples were generated from labels."""
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: ProgressBar = field(default_factory=NullProgressBar)
    model_network_hashes: frozenset[str] = frozenset()
    """sha256 of the model's weights, of its auxiliary networks and of what it was initialized
    from."""
    cache_dir: Path | None = None
    """Folder of trained classifiers and features of real images; None for ganzoo's own cache."""
    output_dir: Path | None = None
    """Where a metric may write images; None for nowhere."""
    model: Model | None = None
    """The evaluated model, for metrics that need no samples."""
    notes: list[str] = field(default_factory=list)
    """Remarks that are printed below the values."""

    def __post_init__(self) -> None:
        """Refuse image sets of different shapes.

        Raises:
            UsageError: two sets differ in size or channels.
        """
        expected_shape = _describe_shape(self.real)
        for set_name in ("train", "test", "fake"):
            if (actual_shape := _describe_shape(getattr(self, set_name))) != expected_shape:
                raise UsageError(
                    f"the {set_name} images are {actual_shape} and the real ones {expected_shape}: "
                    "prepare all at the size and channels of the model"
                )

    @property
    def info(self) -> DataInfo:
        """The `DataInfo` of the real images."""
        return self.real.info

    @cached_property
    def feature_extractor(self) -> FeatureExtractor:
        """The feature extractor.

        Raises:
            UsageError: it is not independent of the model or of the images.
        """
        feature_extractor = self.make_feature_extractor(self)
        check_independent(feature_extractor, self.real, self.model_network_hashes)
        return feature_extractor

    @cached_property
    def classifier(self) -> FeatureExtractor:
        """The classifier of the real training images.

        Raises:
            MetricNotApplicableError: no labels.
            UsageError: the held-out images are its training images.
        """
        network = self.train_classifier(self.train, "training the classifier")
        check_independent(network, self.test, self.model_network_hashes)
        return network

    def train_classifier(
        self, images: PackedImages, title: str, use_cache: bool = True
    ) -> FeatureExtractor:
        """Return a classifier trained on images with the fixed recipe."""
        self.progress.start(title)
        try:
            if use_cache:
                return classifier.load_or_train_classifier(
                    images, self.device, self.progress.advance, self._cache_subdir("classifiers")
                )
            net = classifier.train_classifier(images, self.device, self.seed, self.progress.advance)
            return FeatureExtractor(title, net, "", net.head.in_features)
        finally:
            self.progress.stop()

    def _cache_subdir(self, kind: str) -> Path:
        return (self.cache_dir or default_cache_dir().parent) / kind

    def network_outputs(
        self, set_name: ImageSetName, network: FeatureExtractor | None = None
    ) -> NetworkOutputs:
        """Return the outputs of a network on a set of images; by default the feature extractor's.

        Outputs on real images are cached on disk by the sha256 of the network and the fingerprint
        of the images. A network without a sha256 is not cached.
        """
        network = network or self.feature_extractor
        if not network.sha256:
            return self._load_or_extract(getattr(self, set_name), network, use_cache=False)
        cached_outputs: dict[tuple[str, str], NetworkOutputs] = self.__dict__.setdefault(
            "_network_outputs", {}
        )
        key = (set_name, network.sha256)
        if key not in cached_outputs:
            cached_outputs[key] = self._load_or_extract(
                getattr(self, set_name), network, use_cache=set_name != "fake"
            )
        return cached_outputs[key]

    def _load_or_extract(
        self, images: PackedImages, network: FeatureExtractor, use_cache: bool
    ) -> NetworkOutputs:
        key = json.dumps([network.settings(), images.info.fingerprint, torch.__version__])
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        path = self._cache_subdir("features") / f"{digest}.safetensors"
        if use_cache:
            try:
                tensors, _ = load_tensors(path)
                return NetworkOutputs(tensors["features"], tensors.get("logits"))
            except (WeightsError, KeyError):
                pass
        description = "samples" if images is self.fake else "real images"
        self.progress.start(f"extracting features of {len(images):,} {description}")
        try:
            outputs = extract_features(network, images, self.progress.advance)
        finally:
            self.progress.stop()
        if use_cache:
            path.parent.mkdir(parents=True, exist_ok=True)
            tensors_by_name = {"features": outputs.features, "logits": outputs.logits}
            save_tensors(path, {k: v for k, v in tensors_by_name.items() if v is not None})
        return outputs

    def require_labels(self, metric_name: str) -> None:
        """Refuse a metric that needs labels where the data or the model have none.

        Raises:
            MetricNotApplicableError: no labels, or a class without images.
        """
        if self.real.label is None:
            raise MetricNotApplicableError(
                f"{metric_name} needs labels, and {self.info.name or 'the data'} has none"
            )
        if not self.conditional:
            raise MetricNotApplicableError(f"{metric_name} needs a conditional model")
        trained_classes = set(self.train.info.nonempty_classes)
        checked_sets = (
            (self.test, "held-out image"),
            (self.real, "real image"),
            (self.fake, "sample"),
        )
        for images, description in checked_sets:
            if missing := sorted(trained_classes - set(images.info.nonempty_classes)):
                names = ", ".join(self.info.class_names[i] for i in missing)
                raise MetricNotApplicableError(
                    f"{metric_name}: no {description} of class {names}: give more data or a larger "
                    "-n"
                )
        if unexpected := sorted(set(self.test.info.nonempty_classes) - trained_classes):
            names = ", ".join(self.info.class_names[i] for i in unexpected)
            raise MetricNotApplicableError(
                f"{metric_name}: no training image of class {names} for the classifier: give more "
                "data"
            )


def _describe_shape(images: PackedImages) -> str:
    return f"{images.info.num_channels} x {images.info.image_size} x {images.info.image_size} px"
