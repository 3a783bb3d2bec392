"""What the checks examine: an entry of the zoo, and for a model its `tiny` preset on pictures."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.config import RunConfig, build
from ganzoo_core.data import Images, prepare
from ganzoo_core.engine import Trainer, Watcher, resolve_setup
from ganzoo_core.errors import PluginError, UsageError, suggest
from ganzoo_core.interfaces import ROLES, DataInfo, Judges, Model
from ganzoo_core.testing.shapes import Shapes
from ganzoo_core.testing.standins import StandIn
from ganzoo_core.weights import find_judge
from ganzoo_core.zoo import KINDS, ModelSpec, Plugin, Spec, resolve, zoo

PICTURES = 48


class Subject:
    """An entry under examination. Everything is built when a check first asks for it.

    Args:
        spec: None for a plugin that registers nothing, such as a tracker.
        path: files of the data set, where it needs some.
        claims: the plugins that registered the name, this one first.
    """

    def __init__(
        self,
        kind: str,
        spec: Spec | None,
        plugin: Plugin,
        *,
        path: str = "",
        claims: tuple[str, ...] = (),
    ) -> None:
        self.kind, self.plugin, self.path = kind, plugin, path
        self.claims = claims or (plugin.origin,)
        self.spec: Any = spec

    @property
    def name(self) -> str:
        """Of the entry."""
        return self.spec.name if self.spec else self.plugin.name

    @cached_property
    def target(self) -> Any:
        """The class or function behind the entry."""
        return resolve(self.spec.target)


class ModelSubject(Subject):
    """A model at its `tiny` preset, on a few drawn pictures."""

    spec: ModelSpec

    @property
    def cls(self) -> type[Model]:
        """The model's class."""
        found: type[Model] = self.target
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

    def model(self, info: DataInfo | None = None, seed: int = 0) -> Model:
        """Build the model anew; the same seed gives the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = self.cls(self.config.model, info or self.images.info)
            model.judges = Judges({role: stand_in(role) for role in self.spec.uses})
        return model

    def trainer(
        self, rounds: int = 1, precision: str = "fp32", watcher: Watcher | None = None, **train: Any
    ) -> Trainer:
        """Return a Trainer over a fresh model; each stage lasts `rounds` rounds.

        Args:
            train: options of `[train]` laid over the preset's.
        """
        model = self.model()
        lengths = {stage.name: {"rounds": rounds} for stage in model.stages()}
        known = type(self.config.train).model_fields
        own = {k: v for k, v in self.config.train.model_dump().items() if k in known}
        short = type(self.config.train)(**{**own, "steps": None, **lengths, **train})
        setup = resolve_setup("cpu", precision)
        return Trainer(model, self.images, short, setup, watcher or Watcher())

    def played(self, rounds: int = 1) -> Trainer:
        """Return a Trainer that went through every stage."""
        trainer = self.trainer(rounds)
        with tempfile.TemporaryDirectory() as folder:
            trainer.run(Path(folder) / "checkpoints")
        return trainer

    def trained(self, rounds: int = 1) -> dict[str, Tensor]:
        """Return the whole state after training through every stage."""
        return self.played(rounds).state()

    @cached_property
    def twice(self) -> Trainer:
        """A Trainer that played every stage for two rounds: only to look at."""
        return self.played(2)


def stand_in(role: str) -> nn.Module:
    """Return an untrained judge of a known role, or the shipped one of a role of one's own."""
    return StandIn() if role in ROLES else find_judge(role).build()


SUBJECTS: dict[str, type[Subject]] = {"model": ModelSubject}


def subjects(name: str) -> list[Subject]:
    """Return all that goes by a name: an entry of each kind that has it, or a plugin.

    Args:
        name: ``NAME`` or, for a data set that needs files, ``NAME:PATH``.

    Raises:
        UsageError: nobody knows the name. PluginError: its plugin is broken or not installed.
    """
    title, _, path = name.partition(":")
    found = []
    for kind, cls in KINDS.items():
        claims = [(s, p) for p in zoo().plugins for s in p.specs if isinstance(s, cls)]
        claims = [(spec, plugin) for spec, plugin in claims if spec.name == title]
        if claims:
            spec, plugin = claims[0]
            who = tuple(plugin.origin for _, plugin in claims)
            examined = SUBJECTS.get(kind, Subject)
            found.append(examined(kind, spec, plugin, path=path, claims=who))
    if found:
        return found
    bare = [p for p in zoo().plugins if p.name == title and not (p.error or p.off or p.specs)]
    if bare:
        return [Subject("plugin", None, bare[0])]
    for kind in KINDS:
        try:
            zoo().find(kind, title)
        except PluginError:
            raise
        except UsageError:
            pass
    raise UsageError(f"there is nothing called {title!r}.{suggest(title, everything())}")


def everything() -> list[str]:
    """Return the name of every entry, kind by kind, and of every plugin that registers none."""
    entries = [name for kind in KINDS for name in zoo().names(kind)]
    bare = [p.name for p in zoo().plugins if not (p.error or p.off or p.specs)]
    return list(dict.fromkeys([*entries, *bare]))
