"""Subjects of the conformance checks: an entry of the zoo, and a model at its `smoke` preset."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.config import RunConfig, build_config
from ganzoo_core.data import PackedImages, pack_images, to_float
from ganzoo_core.engine import Callback, Trainer, resolve_setup
from ganzoo_core.engine.world import World
from ganzoo_core.errors import PluginError, UsageError, suggest
from ganzoo_core.interfaces import Auxiliaries, DataInfo, Model
from ganzoo_core.testing.shapes import Shapes
from ganzoo_core.weights import find_auxiliary
from ganzoo_core.zoo import KINDS, ModelSpec, Plugin, Spec, import_target, zoo

_NUM_IMAGES = 48


class Subject:
    """An entry to check. Its parts are built when a check first uses them.

    Args:
        kind: a key of `KINDS`, or "plugin".
        spec: None for a plugin that registers nothing, such as a tracker.
        plugin: the plugin that registered it.
        data_path: files of the data set, if it needs some.
        registered_by: origins of all plugins that registered the name.
    """

    def __init__(
        self,
        kind: str,
        spec: Spec | None,
        plugin: Plugin,
        *,
        data_path: str = "",
        registered_by: tuple[str, ...] = (),
    ) -> None:
        self.kind, self.plugin, self.data_path = kind, plugin, data_path
        self.registered_by = registered_by or (plugin.origin,)
        self.spec: Any = spec

    @property
    def name(self) -> str:
        """Name of the entry."""
        return self.spec.name if self.spec else self.plugin.name

    @cached_property
    def target(self) -> Any:
        """The class or function behind the entry."""
        return import_target(self.spec.target)


class ModelSubject(Subject):
    """A model at its `smoke` preset, on a few images of `shapes`."""

    spec: ModelSpec

    @property
    def model_class(self) -> type[Model]:
        """The class of the model."""
        found: type[Model] = self.target
        return found

    @cached_property
    def config(self) -> RunConfig:
        """The `smoke` preset on `shapes`."""
        return self.build_config()

    def build_config(self, **model_options: Any) -> RunConfig:
        """Return the `smoke` preset on `shapes`, with other options of the model.

        Raises:
            UsageError: the options do not go together.
        """
        data = {"name": "shapes", "count": _NUM_IMAGES, "num_identities": 8}
        train = {"device": "cpu", "precision": "fp32", "steps": None}
        patch = {"data": data, "train": train, "model": model_options}
        return build_config(self.name, preset="smoke", patches=[patch])

    @cached_property
    def images(self) -> PackedImages:
        """A few images at the image size of the preset."""
        data = self.config.data
        return pack_images(
            Shapes(data),
            image_size=data.image_size,
            num_channels=data.num_channels,
            age_bins=tuple(getattr(self.config.model, "age_bins", ())),
        )

    def build_model(
        self, info: DataInfo | None = None, seed: int = 0, config: RunConfig | None = None
    ) -> Model:
        """Build the model; the same seed gives the same weights. Auxiliary networks are always the
        same."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = config or self.config
            model = self.model_class(config.model, info or self.images.info)
            torch.manual_seed(0)  # frozen networks are the same in every build
            model.auxiliaries = Auxiliaries(
                {role: _build_auxiliary(role) for role in self.spec.auxiliaries}
            )
        return model

    def build_trainer(
        self,
        steps: int | Mapping[str, int] = 1,
        precision: str = "fp32",
        callback: Callback | None = None,
        *,
        model: Model | None = None,
        world: World | None = None,
        **train_options: Any,
    ) -> Trainer:
        """Return a Trainer of a new model; each stage has `steps` steps.

        Args:
            steps: length of each stage, or of each stage by name.
            precision: as `train.precision`.
            callback: called by the trainer.
            model: the model to train, in place of a new one.
            world: the ranks; default this process alone.
            train_options: options of `[train]` that override those of the preset.
        """
        model = model or self.build_model()
        names = [stage.name for stage in model.stages()]
        lengths = {
            name: {"steps": steps if isinstance(steps, int) else steps[name]} for name in names
        }
        field_names = type(self.config.train).model_fields
        preset_options = {
            k: v for k, v in self.config.train.model_dump().items() if k in field_names
        }
        train_config = type(self.config.train)(
            **{**preset_options, "steps": None, **lengths, **train_options}
        )
        setup = resolve_setup("cpu", precision)
        callback = callback or Callback()
        return Trainer(model, self.images, train_config, setup, callback, world=world)

    def run_all_stages(self, steps: int = 1) -> Trainer:
        """Train through all stages; return the Trainer."""
        trainer = self.build_trainer(steps)
        with tempfile.TemporaryDirectory() as folder:
            trainer.run(Path(folder) / "checkpoints")
        return trainer

    def trained_state(self, steps: int = 1) -> dict[str, Tensor]:
        """Return the training state after all stages."""
        return self.run_all_stages(steps).state_dict()

    def example_images(self, n: int) -> Tensor:
        """Return images [n, C, S, S] of the data set in [-1, 1]."""
        return to_float(self.images.gather(torch.arange(n)))

    @cached_property
    def two_step_trainer(self) -> Trainer:
        """A Trainer after two steps of each stage. Shared by checks: do not train it further."""
        return self.run_all_stages(2)


class CompositionSubject(ModelSubject):
    """A composition: its base at the `smoke` preset with the options of the composition."""

    @cached_property
    def target(self) -> Any:
        """The class of the base."""
        return import_target(zoo().model(self.name).target)

    def build_model(
        self, info: DataInfo | None = None, seed: int = 0, config: RunConfig | None = None
    ) -> Model:
        """Build the base with the options of the composition; see `ModelSubject`."""
        base = ModelSubject(self.kind, zoo().model(self.name), self.plugin)
        return base.build_model(info or self.images.info, seed, config or self.config)


def _build_auxiliary(role: str) -> nn.Module:
    """Return the untrained stub of a role, or a shipped network for a role without one."""
    capability = zoo().role_capability(role)
    if capability and capability.stub:
        stub: nn.Module = import_target(capability.stub)()
        return stub
    return find_auxiliary(role).build()


SUBJECT_CLASSES: dict[str, type[Subject]] = {
    "model": ModelSubject,
    "composition": CompositionSubject,
}


def find_subjects(name: str) -> list[Subject]:
    """Return the subjects of a name: the entry of each kind that has it, or else a plugin.

    Args:
        name: ``NAME``, or ``NAME:PATH`` for a data set that needs files.

    Raises:
        UsageError: unknown name.
        PluginError: its plugin is broken or not installed.
    """
    entry_name, _, path = name.partition(":")  # also where a folder has the name of the entry
    found = []
    for kind, cls in KINDS.items():
        registrations = [(s, p) for p in zoo().plugins for s in p.specs if isinstance(s, cls)]
        registrations = [
            (spec, plugin) for spec, plugin in registrations if spec.name == entry_name
        ]
        if registrations:
            spec, plugin = registrations[0]
            origins = tuple(plugin.origin for _, plugin in registrations)
            subject_class = SUBJECT_CLASSES.get(kind, Subject)
            found.append(subject_class(kind, spec, plugin, data_path=path, registered_by=origins))
    if found:
        return found
    for plugin in _plugins_without_specs():
        if plugin.name == entry_name:
            return [Subject("plugin", None, plugin)]
    for kind in KINDS:
        try:
            zoo().find_spec(kind, entry_name)
        except PluginError:
            raise
        except UsageError:
            pass
    hint = suggest(entry_name, all_entry_names(), "", "ganzoo list")
    raise UsageError(f"there is no entry {entry_name!r}.{hint}")


def all_entry_names() -> list[str]:
    """Return the names of all entries, kind by kind, and of plugins that register none."""
    names = [name for kind in KINDS for name in zoo().names(kind)]
    return list(dict.fromkeys([*names, *(plugin.name for plugin in _plugins_without_specs())]))


def _plugins_without_specs() -> list[Plugin]:
    return [p for p in zoo().plugins if not (p.error or p.is_disabled or p.specs)]
