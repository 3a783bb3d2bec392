"""Checks of options and presets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from ganzoo_core.config import DataConfig, LossOptions, ModelConfig, TermOptions, build_config
from ganzoo_core.config.base import config_classes_of, parse
from ganzoo_core.errors import UsageError
from ganzoo_core.testing.checks.framework import CheckFailed, check, require
from ganzoo_core.testing.other_subjects import TermSubject
from ganzoo_core.testing.subject import Subject
from ganzoo_core.zoo import ModelSpec, import_target, zoo

_BASE_CONFIGS: dict[str, type[BaseModel]] = {
    "model": ModelConfig,
    "dataset": DataConfig,
    "loss": LossOptions,
    "term": TermOptions,
}


def _config_class(subject: Subject) -> Any:
    target = subject.spec.config
    return import_target(target) if target else _BASE_CONFIGS[subject.kind]


def _options_to_try(subject: Subject) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (title, options): of each preset of a model, else the defaults."""
    if isinstance(subject.spec, ModelSpec):
        for preset, patch in _config_class(subject).presets.items():
            yield f"preset {preset!r}", patch.get("model", {})
    elif isinstance(subject, TermSubject):
        yield "the default configuration", subject.option_values()
    elif subject.kind == "loss":
        yield "the default configuration", {"kind": subject.name}
    else:
        yield "the default configuration", {"name": subject.name}


@check("model", "dataset", "loss", "term")
def config_round_trip(subject: Subject) -> None:
    """Writes its options as JSON and reads the same options back, for every preset"""
    cls = _config_class(subject)
    base = _BASE_CONFIGS[subject.kind]
    require(issubclass(cls, base), f"{subject.spec.config} does not derive from {base.__name__}")
    for title, values in _options_to_try(subject):
        config = parse(cls, values, title)
        reloaded = cls.model_validate(json.loads(config.model_dump_json()))
        require(
            reloaded == config, f"{title} changes on a round trip through JSON: use plain types"
        )


@check("model", "dataset", "loss", "term")
def rejects_unknown_option(subject: Subject) -> None:
    """Rejects an unknown option"""
    cls = _config_class(subject)
    for _, values in _options_to_try(subject):
        try:
            parse(cls, {**values, "no_such_option": 1}, subject.kind)
        except UsageError:
            continue
        raise CheckFailed(f"{cls.__name__} accepts unknown options: do not override model_config")


@check("model", "dataset", "loss", "term")
def options_are_documented(subject: Subject) -> None:
    """Has a docstring for every option, which `ganzoo info` and `ganzoo schema` print"""
    missing = sorted(_undocumented(_config_class(subject), set()))
    require(not missing, f"{missing[:1]} has no docstring: add one below the field")


def _undocumented(cls: type[BaseModel], visited: set[type[BaseModel]]) -> Iterator[str]:
    """Yield ``Class.field`` for fields without description, nested classes included."""
    if cls in visited:
        return
    visited.add(cls)
    for name, field in cls.model_fields.items():
        if not field.description and name != "kind":  # the tag of a union
            yield f"{cls.__name__}.{name}"
        for nested_class in config_classes_of(cls, name):
            yield from _undocumented(nested_class, visited)


@check("model")
def presets_are_valid(subject: Subject) -> None:
    """Has the presets smoke and quick, and every preset has valid options"""
    cls = _config_class(subject)
    for preset in ("smoke", "quick"):
        require(preset in cls.presets, f"{cls.__name__}.presets lacks {preset!r}: add it")
    for preset, patch in cls.presets.items():
        name = patch.get("data", {}).get("name", "")
        try:
            if not name or name in zoo().names("dataset"):  # its plugin may not be installed
                build_config(subject.name, preset=preset)
        except UsageError as error:
            raise CheckFailed(f"preset {preset!r}: {error}") from None


@check("model")
def auxiliaries_have_config(subject: Subject) -> None:
    """Has an option for each auxiliary network, so that a user can select its weights"""
    classes = config_classes_of(_config_class(subject), "auxiliaries")
    for role in subject.spec.auxiliaries:
        require(
            any(role in cls.model_fields for cls in classes),
            f"its losses use an auxiliary network for {role!r}: add the option "
            f"model.auxiliaries.{role}, an AuxiliaryConfig",
        )
