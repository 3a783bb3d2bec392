"""Subjects that are not models: a data set, a loss, a term, a metric with its context."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.config import DataConfig, LossOptions
from ganzoo_core.config.base import parse
from ganzoo_core.config.terms import term_options_class
from ganzoo_core.data import PackedImages, pack_images
from ganzoo_core.interfaces import Dataset, Loss
from ganzoo_core.losses import make_loss
from ganzoo_core.metrics import EvaluationContext
from ganzoo_core.metrics.feature_extractor import FeatureExtractor
from ganzoo_core.testing.shapes import CLASSES, Shapes
from ganzoo_core.testing.shapes_config import ShapesConfig
from ganzoo_core.testing.subject import SUBJECT_CLASSES, Subject
from ganzoo_core.zoo import import_target

NUM_IMAGES = 24
_NUM_SAMPLES = 120
"""Images in each set of an evaluation context: kernel distances need a hundred."""
_IMAGE_SIZE = 16


class DatasetSubject(Subject):
    """A data set: on its files if it needs some, else with a few images."""

    def open_dataset(self, path: str | None = None) -> Dataset:
        """Open the data set.

        Args:
            path: None for the files of the subject.

        Raises:
            DataError: the files are missing or unreadable.
        """
        cls = import_target(self.spec.config) if self.spec.config else DataConfig
        data_path = self.data_path if path is None else path
        values: dict[str, Any] = {"name": self.name, "path": data_path, "image_size": 32}
        if not data_path and "count" in cls.model_fields:
            values["count"] = NUM_IMAGES
        dataset: Dataset = self.target(parse(cls, values, "data"))
        return dataset


class LossSubject(Subject):
    """A loss."""

    @property
    def default_terms(self) -> Mapping[str, Any]:
        """The terms that the loss adds to a GAN."""
        cls = import_target(self.spec.config) if self.spec.config else LossOptions
        return dict(cls.default_terms)

    def build_loss(self, **values: Any) -> Loss:
        """Build the loss with its default options, or others."""
        cls = import_target(self.spec.config) if self.spec.config else LossOptions
        return make_loss(parse(cls, {"kind": self.name, **values}, "model.loss"))


class TermSubject(Subject):
    """A term of a GAN."""

    def option_values(self) -> dict[str, Any]:
        """Return options of the term: the required ones, with values at which a short run uses
        them."""
        fields = term_options_class(self.name).model_fields
        values = {name: 1.0 for name, field in fields.items() if field.is_required()}
        return values | {k: v for k, v in _TERM_OPTIONS.get(self.name, {}).items() if k in fields}


_TERM_OPTIONS: dict[str, dict[str, Any]] = {
    "apa": {"initial_p": 0.5},
    "d-freeze": {"epochs": (0.0, 1.0)},
    "lecam": {"start": 0},
    "top-k": {"gamma": 0.5},
}
"""Options of the core's terms that need a choice."""


class MetricSubject(Subject):
    """A metric, and evaluation contexts to measure."""

    @cached_property
    def temp_folder(self) -> tempfile.TemporaryDirectory[str]:
        """Folder for the cache and output of contexts; deleted with the subject."""
        return tempfile.TemporaryDirectory()

    def build_context(self, num_images: int = _NUM_SAMPLES) -> EvaluationContext:
        """Return a new context with `num_images` images in each set."""
        train, test, real, fake = (make_images(num_images, seed) for seed in range(4))
        folder = Path(self.temp_folder.name)
        return _StubContext(
            train,
            test,
            real,
            fake,
            make_feature_extractor=_stub_feature_extractor,
            conditional=True,
            cache_dir=folder,
            output_dir=folder,
        )


class _StubNetwork(nn.Module):
    """An untrained feature network: mean colors, and logits of three classes."""

    feature_dim = 12

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(self.feature_dim, len(CLASSES), bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.linspace(-4, 4, self.head.weight.numel()).view(3, -1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [N, 12] and logits [N, 3] from images [N, 3, H, W]."""
        features = nn.functional.adaptive_avg_pool2d(image, 2).flatten(1)
        return features, self.head(features)


class _StubContext(EvaluationContext):
    """A context that trains no network."""

    def train_classifier(
        self, images: PackedImages, title: str, use_cache: bool = True
    ) -> FeatureExtractor:
        """Return the untrained network."""
        return _stub_feature_extractor(self)


def _stub_feature_extractor(context: EvaluationContext) -> FeatureExtractor:
    return FeatureExtractor("stub", _StubNetwork(), "0" * 64, _StubNetwork.feature_dim)


def make_images(count: int, seed: int) -> PackedImages:
    """Return a few images of the `shapes` data set."""
    config = ShapesConfig(
        name="shapes", count=count, num_identities=8, seed=seed, image_size=_IMAGE_SIZE
    )
    return pack_images(Shapes(config), image_size=_IMAGE_SIZE)


SUBJECT_CLASSES |= {
    "dataset": DatasetSubject,
    "loss": LossSubject,
    "term": TermSubject,
    "metric": MetricSubject,
}
