"""The configuration of a run, new or stored: of a registered model, a class, or an object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from ganzoo_core.config import ModelConfig, RunConfig, build_config
from ganzoo_core.config.tree import build_class_config
from ganzoo_core.errors import PluginError, UsageError
from ganzoo_core.interfaces import Model
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.zoo import ModelSpec, zoo

AnyModel = str | Model | type[Model]
"""A registered name, a `Model` object, or a `Model` class."""

UNREGISTERED_PREFIX = "object:"
"""Prefix of `run.model` in config.toml for a model class that no plugin registers."""


def build_run_config(
    model: AnyModel,
    *,
    preset: str = "",
    patches: Iterable[Mapping[str, Any]] = (),
    is_resolved: bool = False,
) -> RunConfig:
    """Build the configuration of a run.

    Args:
        model: the name of a registered model or composition; a class, whose options and presets are
            those of its `Config`; or an object, which has its options already.
        preset, patches, is_resolved: see `ganzoo_core.config.build_config`.

    Raises:
        UsageError: an unknown model, preset, data set or option; an invalid value.
        PluginError: the model's or data set's plugin is missing or broken; `Config` is no
            configuration class.
    """
    if isinstance(model, str):
        return build_config(model, preset=preset, patches=patches, is_resolved=is_resolved)
    if isinstance(model, Model):
        return _object_config(model, preset, patches)
    config_class: Any = model.Config or ModelConfig
    if not (isinstance(config_class, type) and issubclass(config_class, BaseModel)):
        raise PluginError(f"{model.__name__}.Config must be a subclass of ganzoo_core.ModelConfig")
    config = build_class_config(
        f"{UNREGISTERED_PREFIX}{model.__name__}",
        config_class,
        preset=preset,
        patches=patches,
        is_resolved=is_resolved,
    )
    if not getattr(config_class, "presets", {}):
        config = replace(config, preset="")
    return config if model.Config else replace(config, model=None)


def find_registered(model: AnyModel) -> AnyModel:
    """Return the registered name of a class that a plugin registers, whose options are those of the
    plugin; any other model unchanged."""
    if not isinstance(model, type):
        return model
    target = f"{model.__module__}:{model.__qualname__}"
    for row in zoo().entries:
        if isinstance(row.spec, ModelSpec) and row.spec.target == target:
            return row.spec.name
    return model


def _object_config(model: Model, preset: str, patches: Iterable[Mapping[str, Any]]) -> RunConfig:
    """Return the configuration of a run of an object, at its image size.

    Raises:
        UsageError: a preset, or an invalid option of the data or the training.
    """
    name = type(model).__name__
    if preset:
        raise UsageError(
            f"preset={preset!r}: this {name} is built already and has its options: leave the "
            "preset out, or give the class"
        )
    shape = {"image_size": model.info.image_size, "num_channels": model.info.num_channels}
    patches = [{k: v for k, v in patch.items() if k not in {"model", "run"}} for patch in patches]
    config = build_class_config(
        f"{UNREGISTERED_PREFIX}{name}", ModelConfig, patches=[{"data": shape}, *patches]
    )
    return replace(config, preset="", model=model.config)


def read_run_config(
    folder: RunFolder, *, steps: int | None = None, model: Model | type[Model] | None = None
) -> tuple[AnyModel, RunConfig]:
    """Return the model and the configuration of a run from its config.toml.

    Args:
        folder: the run folder.
        steps: new total number of steps; None for the stored number.
        model: the class or object, if the run was started with one.

    Raises:
        UsageError: no run folder, or the run needs the class of its model.
        WeightsError: config.toml is damaged.
    """
    stored = folder.read_config()
    patch = {"train": {"steps": steps}} if steps is not None else {}
    patches = [{k: v for k, v in stored.items() if k in {"run", "model", "data", "train"}}, patch]
    name, preset = stored["run"]["model"], stored["run"].get("preset", "")
    if not name.startswith(UNREGISTERED_PREFIX):
        resolved = build_config(name, preset=preset, patches=patches, is_resolved=True)
        return model or name, resolved
    if model is None:
        raise UsageError(
            f"{folder.path} was trained from a class that no plugin registers: resume it from "
            f"Python with model={name.removeprefix(UNREGISTERED_PREFIX)}"
        )
    if isinstance(model, Model):
        return model, build_run_config(model, patches=patches)
    return model, build_run_config(model, preset=preset, patches=patches, is_resolved=True)
