"""What the options of an entry promise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from ganzoo_core.config import DataConfig, LossOptions, ModelConfig, build
from ganzoo_core.config.base import parse
from ganzoo_core.errors import UsageError
from ganzoo_core.testing.checks.kit import Failed, check, demand
from ganzoo_core.testing.subject import Subject
from ganzoo_core.zoo import ModelSpec, resolve, zoo

BASES: dict[str, type[BaseModel]] = {
    "model": ModelConfig,
    "dataset": DataConfig,
    "loss": LossOptions,
}


def options_class(subject: Subject) -> Any:
    """Return the class of an entry's options."""
    return resolve(subject.spec.config) if subject.spec.config else BASES[subject.kind]


def given(subject: Subject) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield options to try: each preset's of a model, else the defaults."""
    if isinstance(subject.spec, ModelSpec):
        for preset, patch in options_class(subject).presets.items():
            yield f"preset {preset!r}", patch.get("model", {})
    elif subject.kind == "loss":
        yield "the defaults", {"kind": subject.name}
    else:
        yield "the defaults", {"name": subject.name}


@check("model", "dataset", "loss")
def config_round_trip(subject: Subject) -> None:
    """Writes its options as JSON and reads the same options back, for every preset"""
    cls = options_class(subject)
    base = BASES[subject.kind]
    demand(issubclass(cls, base), f"{subject.spec.config} does not derive from {base.__name__}")
    for what, values in given(subject):
        config = parse(cls, values, what)
        again = cls.model_validate(json.loads(config.model_dump_json()))
        demand(again == config, f"{what} changes on its way through JSON: use plain types")


@check("model", "dataset", "loss")
def unknown_option(subject: Subject) -> None:
    """Refuses an option it does not know"""
    cls = options_class(subject)
    for _, values in given(subject):
        try:
            parse(cls, {**values, "no_such_option": 1}, subject.kind)
        except UsageError:
            continue
        raise Failed(f"{cls.__name__} takes any option: leave its model_config as it is")


@check("model")
def presets(subject: Subject) -> None:
    """Has the presets tiny and quick, and each of them is a tree of options that fit"""
    cls = options_class(subject)
    for preset in ("tiny", "quick"):
        demand(preset in cls.presets, f"{cls.__name__}.presets lacks {preset!r}: add it")
    for preset, patch in cls.presets.items():
        name = patch.get("data", {}).get("name", "")
        try:
            if not name or name in zoo().names("dataset"):  # else its plugin is elsewhere
                build(subject.name, preset=preset)
        except UsageError as error:
            raise Failed(f"preset {preset!r}: {error}") from None


@check("model")
def judges_have_options(subject: Subject) -> None:
    """Gives each judge it uses a branch of options, so that a user can name another one"""
    fields = options_class(subject).model_fields
    for role in subject.spec.uses:
        demand(
            role in fields,
            f"it uses a judge of {role!r}: give its options `{role}: JudgeConfig = JudgeConfig()`",
        )
