"""The options of a configuration class: name, type, default and description of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ganzoo_core.config.base import NONE, config_classes_of

_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
"""Sign of each limit that pydantic checks, by the name of its attribute."""


def option_records(cls: type[BaseModel], branch: str) -> list[dict[str, str]]:
    """Return one record for each option; nested configurations are flattened to dotted names.

    Args:
        cls: the configuration class.
        branch: where it is in the configuration, such as "model" or "model.loss"; empty for
            options outside it.
    """
    return list(_iter_options(cls, cls.model_construct(), branch))


def _iter_options(
    cls: type[BaseModel], defaults: Any, branch: str, kinds: str = ""
) -> Iterator[dict[str, str]]:
    for name, field in cls.model_fields.items():
        default = getattr(defaults, name, None)
        if isinstance(default, BaseModel):
            classes = config_classes_of(cls, name)
            nested_kinds = " | ".join(
                _type_text(c.model_fields["kind"].annotation)
                for c in classes
                if "kind" in c.model_fields
            )
            yield from _iter_options(type(default), default, f"{branch}.{name}", nested_kinds)
            continue
        yield {
            "name": f"{branch}.{name}".removeprefix("."),
            "type": kinds if name == "kind" and kinds else _type_text(field.annotation),
            "range": _range_text(field),
            "default": "(required)" if field.is_required() else _value_text(default),
            "description": _description(cls, name),
        }


def _description(cls: type[BaseModel], name: str) -> str:
    """Return the docstring of an option, from a base class if the class itself has none."""
    for base in cls.__mro__:
        field = base.model_fields.get(name) if issubclass(base, BaseModel) else None
        if field and field.description:
            return " ".join(field.description.split())
    return ""


def _range_text(field: FieldInfo) -> str:
    """Return the limits of a number, such as ``8 to 2048``, ``> 0`` or ``>= 0, < 1``; of a pair of
    numbers those of each."""
    bounds: dict[str, str] = {}
    for metadata in [*field.metadata, *_metadata_inside(field.annotation)]:
        for one in getattr(metadata, "metadata", [metadata]):  # a FieldInfo holds its own
            names = (name for name in _BOUNDS if getattr(one, name, None) is not None)
            bounds |= {name: _number_text(getattr(one, name)) for name in names}
    if {"ge", "le"} <= set(bounds):
        return f"{bounds['ge']} to {bounds['le']}"
    return ", ".join(f"{_BOUNDS[name]} {value}" for name, value in bounds.items())


def _number_text(value: float) -> str:
    if not isinstance(value, int):
        return f"{value:g}"
    is_large_power = value >= 2**31 and value & (value - 1) == 0
    return f"2^{value.bit_length() - 1}" if is_large_power else f"{value:,}"


def _metadata_inside(annotation: Any) -> list[Any]:
    """Return the metadata of all ``Annotated`` types in a type."""
    inside = [item for part in get_args(annotation) for item in _metadata_inside(part)]
    return [*getattr(annotation, "__metadata__", ()), *inside]


def _value_text(value: Any) -> str:
    return NONE if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _type_text(annotation: Any) -> str:
    """Return a type as `--set` values are written: ``int``, ``"a" | "b"``, ``[float, float]``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(_value_text, arguments))
    types = [_type_text(argument) for argument in arguments]
    if origin is Annotated:
        return types[0]
    if origin in {Union, UnionType}:
        return " | ".join(types)
    if origin in {tuple, list}:
        return f"[{', '.join(types)}]"
    names = {None: NONE, NoneType: NONE, ...: "..."}
    return names.get(annotation) or str(getattr(annotation, "__name__", annotation))
