"""What the checks examine: a model of the zoo at its `tiny` preset, on a few drawn pictures."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from ganzoo_core.config import RunConfig, build
from ganzoo_core.data import Images, prepare
from ganzoo_core.engine import Trainer, Watcher, resolve_setup
from ganzoo_core.interfaces import ROLES, Judges, Model
from ganzoo_core.testing.shapes import Shapes
from ganzoo_core.testing.standins import StandIn
from ganzoo_core.weights import find_judge
from ganzoo_core.zoo import ModelSpec, resolve, zoo

PICTURES = 48


class Subject:
    """A model under examination; everything is built when a check first asks for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.spec: ModelSpec = zoo().model(name)

    @cached_property
    def cls(self) -> type[Model]:
        """The model's class."""
        found: type[Model] = resolve(self.spec.target)
        return found

    @cached_property
    def config(self) -> RunConfig:
        """The `tiny` preset on `shapes`."""
        data = {"name": "shapes", "count": PICTURES, "people": 8}
        patch = {"data": data, "train": {"device": "cpu", "precision": "fp32", "steps": None}}
        return build(self.name, preset="tiny", patches=[patch])

    @cached_property
    def images(self) -> Images:
        """A few drawn pictures at the preset's size."""
        data = self.config.data
        groups = tuple(getattr(self.config.model, "groups", ()))
        return prepare(Shapes(data), size=data.size, channels=data.channels, groups=groups)

    def model(self) -> Model:
        """Build the model anew, always with the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = self.cls(self.config.model, self.images.info)
            model.judges = Judges({role: stand_in(role) for role in self.spec.uses})
        return model

    def trainer(self, rounds: int = 1) -> Trainer:
        """Return a Trainer over a fresh model; each stage lasts `rounds` rounds."""
        model = self.model()
        lengths = {stage.name: {"rounds": rounds} for stage in model.stages()}
        train = self.config.train
        own = {k: v for k, v in train.model_dump().items() if k in type(train).model_fields}
        short = type(train)(**{**own, "steps": None, **lengths})
        return Trainer(model, self.images, short, resolve_setup("cpu", "fp32"), Watcher())

    def trained(self, rounds: int = 1) -> dict[str, Tensor]:
        """Return the whole state after training through every stage."""
        trainer = self.trainer(rounds)
        with tempfile.TemporaryDirectory() as folder:
            trainer.run(Path(folder) / "checkpoints")
        return trainer.state()


def stand_in(role: str) -> nn.Module:
    """Return an untrained judge of a known role, or the shipped one of a role of one's own."""
    return StandIn() if role in ROLES else find_judge(role).build()
