"""Subjects that are no models: a data set on a few pictures, a loss, a metric with its case."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.config import DataConfig, LossOptions
from ganzoo_core.config.base import parse
from ganzoo_core.data import Images, prepare
from ganzoo_core.interfaces import Dataset, Loss
from ganzoo_core.losses import make_loss
from ganzoo_core.metrics import Case
from ganzoo_core.metrics.networks import Network
from ganzoo_core.testing.shapes import CLASSES, Shapes, ShapesConfig
from ganzoo_core.testing.subject import SUBJECTS, Subject
from ganzoo_core.zoo import resolve

PICTURES = 24
SAMPLES = 120
"""Images a side of a metric's case: kernel distances need a hundred."""
SIZE = 16


class DatasetSubject(Subject):
    """A data set, on its own files where it needs some, else with a few pictures."""

    def open(self, path: str | None = None) -> Dataset:
        """Open the data anew.

        Raises:
            DataError: as the data set does for what is not there.
        """
        cls = resolve(self.spec.config) if self.spec.config else DataConfig
        where = self.path if path is None else path
        values: dict[str, Any] = {"name": self.name, "path": where, "size": 32}
        if not where and "count" in cls.model_fields:
            values["count"] = PICTURES
        found: Dataset = self.target(parse(cls, values, "data"))
        return found


class LossSubject(Subject):
    """A loss with its default options, or others."""

    def loss(self, **values: Any) -> Loss:
        """Build the loss as a model does."""
        cls = resolve(self.spec.config) if self.spec.config else LossOptions
        return make_loss(parse(cls, {"kind": self.name, **values}, "model.loss"))


class Eye(nn.Module):
    """A feature network that learned nothing: coarse colours, and logits of three classes."""

    dim = 12

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(self.dim, len(CLASSES), bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.linspace(-4, 4, self.head.weight.numel()).view(3, -1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [N, 12] and logits [N, 3] of images [N, 3, H, W]."""
        features = nn.functional.adaptive_avg_pool2d(image, 2).flatten(1)
        return features, self.head(features)


class SmallCase(Case):
    """A case whose networks learned nothing, so that nothing has to be trained."""

    def train_on(self, images: Images, title: str, cached: bool = True) -> Network:
        """Return the stand-in."""
        return eye(self)


def eye(case: Case) -> Network:
    """Return the stand-in for every network of a case."""
    return Network("stand-in", Eye(), "0" * 64, Eye.dim)


class MetricSubject(Subject):
    """A metric, and cases to measure."""

    @cached_property
    def folder(self) -> tempfile.TemporaryDirectory[str]:
        """Where a case may keep what it made; gone with the subject."""
        return tempfile.TemporaryDirectory()

    def case(self, count: int = SAMPLES) -> Case:
        """Return a fresh case of drawn pictures, `count` a side."""
        train, test, real, fake = (pictures(count, seed) for seed in range(4))
        home = Path(self.folder.name)
        return SmallCase(
            train, test, real, fake, make_network=eye, conditional=True, cache=home, folder=home
        )


def pictures(count: int, seed: int) -> Images:
    """Return drawn pictures, others for every seed."""
    config = ShapesConfig(name="shapes", count=count, people=8, seed=seed, size=SIZE)
    return prepare(Shapes(config), size=SIZE)


SUBJECTS |= {"dataset": DatasetSubject, "loss": LossSubject, "metric": MetricSubject}
