"""The pydantic base of every configuration, and its errors in one line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, model_serializer, model_validator
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from ganzoo_core.errors import UsageError, suggest

NONE = "none"
"""No value, in TOML, which has no word for it: `--set model.ema=none`."""


class Config(BaseModel):
    """A frozen tree of options: unknown keys are refused, defaults are checked too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def read_none(cls, values: Any) -> Any:
        """Read "none" as no value where an option may have none."""
        if not isinstance(values, Mapping):
            return values
        return {k: None if cls.may_lack(k) and v == NONE else v for k, v in values.items()}

    @model_serializer(mode="wrap", when_used="json")
    def write_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write "none" where a default would come back instead."""
        fields = type(self).model_fields.items()
        lacking = (k for k, f in fields if f.default is not None and getattr(self, k) is None)
        return {**handler(self), **dict.fromkeys(lacking, NONE)}

    @classmethod
    def may_lack(cls, name: str) -> bool:
        """Return whether an option may have no value."""
        field = cls.model_fields.get(name)
        return field is not None and NoneType in get_args(field.annotation)


class ModelConfig(Config):
    """The base of a model's options, `[model]` in the configuration file.

    `presets` maps a name to a patch of the whole tree (``{"model": {...}, "data": {...},
    "train": {...}}``). Every model has `tiny` (tests, seconds) and `quick` (the default).
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def parse(cls: type[ConfigT], values: Mapping[str, Any], where: str) -> ConfigT:
    """Validate values against a configuration class.

    Args:
        where: the branch of the tree, such as "model", for the message.

    Raises:
        UsageError: one line that names the key, and the closest known key if it is unknown.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain(cls, error, where)) from None


def explain(cls: type[BaseModel], error: ValidationError, where: str) -> str:
    """Say the first problem of a ValidationError in one line."""
    problem = error.errors()[0]
    path = untagged(cls, [str(part) for part in problem["loc"]])
    key = ".".join([where, *path])
    if problem["type"] == "extra_forbidden":
        return f"there is no option {key!r}.{suggest(path[-1], options_at(cls, path[:-1]))}"
    if problem["type"] == "value_error":  # in our own words, which name what is wrong
        said = problem["msg"].removeprefix("Value error, ")
        return f"{key}: {said}" if path else said
    given = "" if problem["type"] == "missing" else f" (got {problem['input']!r})"
    return f"{key}: {problem['msg']}{given}"


def options_at(cls: type[BaseModel], path: list[str]) -> list[str]:
    """Return the option names of the branch a path leads to."""
    branches = [cls]
    for part in path:
        branches = [branch for c in branches for branch in models_in(c, part)]
    return sorted({name for branch in branches for name in branch.model_fields})


def untagged(cls: type[BaseModel], path: list[str]) -> list[str]:
    """Return a path without the tags that pydantic puts where a field holds one of several."""
    branches, out, parts = [cls], [], iter(path)
    for part in parts:
        out.append(part)
        branches = [branch for c in branches for branch in models_in(c, part)]
        if len(branches) > 1:
            next(parts, None)
    return out


def models_in(cls: type[BaseModel], name: str) -> list[type[BaseModel]]:
    """Return the configuration classes that a field may hold; free keys hold `train`'s stages."""
    field = cls.model_fields.get(name)
    annotation: Any = field.annotation if field else get_type_hints(cls).get("__pydantic_extra__")
    options = [annotation, *getattr(annotation, "__args__", ())]
    plain = [getattr(o, "__origin__", o) for o in options]
    return [o for o in plain if isinstance(o, type) and issubclass(o, BaseModel)]
