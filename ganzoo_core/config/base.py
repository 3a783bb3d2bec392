"""The pydantic base of every configuration, and its errors in one line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, model_serializer, model_validator
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from ganzoo_core.config.former_names import FORMER_OPTIONS, present_name
from ganzoo_core.errors import UsageError, suggest

NONE = "none"
"""The text for no value, since TOML has no null: `--set model.ema_halflife_images=none`."""


class Config(BaseModel):
    """A frozen group of options: unknown keys are refused, defaults are validated too. The
    docstring of a field is its description in `ganzoo info` and `ganzoo schema`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def read_none(cls, values: Any) -> Any:
        """Read "none" as None where an option is optional."""
        if not isinstance(values, Mapping):
            return values
        return {k: None if cls.is_optional(k) and v == NONE else v for k, v in values.items()}

    @model_serializer(mode="wrap", when_used="json")
    def write_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write "none" where a default would replace None on reading."""
        fields = type(self).model_fields.items()
        missing = (k for k, f in fields if f.default is not None and getattr(self, k) is None)
        return {**handler(self), **dict.fromkeys(missing, NONE)}

    @classmethod
    def is_optional(cls, name: str) -> bool:
        """Return whether an option may be None."""
        field = cls.model_fields.get(name)
        return field is not None and NoneType in get_args(field.annotation)


class SamplingOptions(Config):
    """The base of a model's sampling options: `ganzoo sample RUN --set NAME=VALUE`.

    `generate(n, label, rng, **options)` receives those that differ from their default.
    """

    @classmethod
    def parse_changed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the validated values that differ from their default.

        Args:
            values: by name, plain values as from TOML.

        Raises:
            UsageError: one line that names the option, and the closest one if it is unknown.
        """
        if values and not cls.model_fields:
            raise UsageError(f"the model has no sampling options, so no {next(iter(values))!r}")
        options = parse(cls, values, "")
        return {
            name: getattr(options, name)
            for name, field in cls.model_fields.items()
            if getattr(options, name) != field.default
        }


class ModelConfig(Config):
    """The base of a model's options, `[model]` in the configuration file.

    `presets` maps a name to a patch of the whole configuration (``{"model": {...}, "data": {...},
    "train": {...}}``). Every model has `smoke` (tests, seconds) and `quick` (the default).
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    Sampling: ClassVar[type[SamplingOptions]] = SamplingOptions
    """The options of `ganzoo sample --set`. A model has its own as a nested class, ``class
    Sampling(SamplingOptions)``."""
    stage_overrides: ClassVar[tuple[str, ...]] = (
        "loss_weights.*",
        "terms.*.weight",
        "optim_*.lr",
        "optim_*.lr_scheduler",
        "optim_*.warmup_steps",
    )
    """The options, as patterns, that may differ between the stages of a run: those that the model
    reads in `stages`, in `configure_optimizers` or in each step, but not in its constructor."""


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def parse(cls: type[ConfigT], values: Mapping[str, Any], where: str) -> ConfigT:
    """Validate values against a configuration class.

    Args:
        cls: the class.
        values: plain values, as from TOML.
        where: the branch, such as "model", for the message; empty for none.

    Raises:
        UsageError: one line that names the key, and the closest known key if it is unknown.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise UsageError(first_problem(cls, error, where)) from None


def first_problem(cls: type[BaseModel], error: ValidationError, where: str) -> str:
    """Return the first problem of a ValidationError as one line."""
    problem = error.errors()[0]
    path = _drop_union_tags(cls, [str(part) for part in problem["loc"]])
    key = ".".join([*([where] if where else []), *path])
    if problem["type"] == "extra_forbidden":
        known = _option_names_at(cls, path[:-1])
        name = present_name(FORMER_OPTIONS, path[-1], known)
        return f"there is no option {key!r}.{suggest(name, known, key.removesuffix(path[-1]))}"
    if problem["type"] == "value_error":  # a message of ours, which names the option
        message = problem["msg"].removeprefix("Value error, ")
        return f"{key}: {message}" if path else message
    if problem["type"] == "missing":
        return f"{key} is missing: --set {key}=VALUE"
    message = problem["msg"].replace("Input should be", "must be").partition(", unable")[0]
    if problem["type"] == "string_pattern_mismatch":
        message = f"must be {_description(cls, path)}"
    return f"{key}: {message} (got {problem['input']!r})"


def _description(cls: type[BaseModel], path: list[str]) -> str:
    """Return the first clause of the description of an option, which lists its values."""
    branches = [cls]
    for part in path[:-1]:
        branches = [branch for c in branches for branch in config_classes_of(c, part)]
    fields = [branch.model_fields[path[-1]] for branch in branches]
    return str(fields[0].description).partition(";")[0].rstrip(".")


def _option_names_at(cls: type[BaseModel], path: list[str]) -> list[str]:
    branches = [cls]
    for part in path:
        branches = [branch for c in branches for branch in config_classes_of(c, part)]
    return sorted({name for branch in branches for name in branch.model_fields})


def _drop_union_tags(cls: type[BaseModel], path: list[str]) -> list[str]:
    """Return a path without the tags that pydantic inserts where a field is a tagged union."""
    branches, out, parts = [cls], [], iter(path)
    for part in parts:
        out.append(part)
        branches = [branch for c in branches for branch in config_classes_of(c, part)]
        if len(branches) > 1:
            next(parts, None)
    return out


def config_classes_of(cls: type[BaseModel], name: str) -> list[type[BaseModel]]:
    """Return the configuration classes that a field may hold; free keys hold the stages of
    `[train]`."""
    field = cls.model_fields.get(name)
    annotation: Any = field.annotation if field else get_type_hints(cls).get("__pydantic_extra__")
    options = [annotation, *getattr(annotation, "__args__", ())]
    classes = [getattr(option, "__origin__", option) for option in options]
    return [c for c in classes if isinstance(c, type) and issubclass(c, BaseModel)]
