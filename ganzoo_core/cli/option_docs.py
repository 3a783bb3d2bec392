"""The options of a configuration class: name, type, default and description of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from ganzoo_core.config.base import NONE, config_classes_of


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
            "range": _range_text(field.metadata),
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


def _range_text(constraints: Iterable[Any]) -> str:
    """Return the bounds of a number, such as ``>= 0, < 1``; empty without bounds."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = {
        key: getattr(item, key) for item in constraints for key in signs if hasattr(item, key)
    }
    return ", ".join(f"{signs[key]} {bounds[key]}" for key in signs if key in bounds)


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
