"""The options that hold in one stage of a run: `Stage.overrides` and `train.STAGE.overrides`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

from pydantic import BaseModel

from ganzoo_core.config.base import ModelConfig, parse
from ganzoo_core.config.sections import DataConfig, TrainConfig
from ganzoo_core.errors import UsageError, suggest

TRAIN_OVERRIDES = ("batch_size", "lr_scheduler", "warmup_steps", "grad_clip_norm")
"""The options of `[train]` that a stage may override."""
DATA_OPTIONS_OF_RUN = tuple(DataConfig.model_fields)
"""The options of `[data]` that no stage may override: the networks are built for the images."""


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` updated by `patch`; tables merge, values replace. A table whose `kind` changes
    is replaced as a whole, since the options of one loss are not those of another."""
    out = dict(base)
    for key, value in patch.items():
        old = out.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            same = "kind" not in value or old.get("kind", value["kind"]) == value["kind"]
            out[key] = merge(old, value) if same else value
        else:
            out[key] = value
    return out


def flatten(tree: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) pairs, with the path as --set takes it."""
    for key, value in tree.items():
        path = f"{at}.{key}" if at else str(key)
        if isinstance(value, Mapping) and value:
            yield from flatten(value, path)
        else:
            yield path, value


def stage_options(
    model_config: Any, train_config: TrainConfig, overrides: Mapping[str, Any], where: str
) -> tuple[Any, TrainConfig]:
    """Return the options of `[model]` and `[train]` that hold in a stage.

    Args:
        model_config: the options of the run.
        train_config: the options of the run.
        overrides: those that differ in the stage, ``{"model": {...}, "train": {...}}``; those of
            `[data]` are for `stage_data`.
        where: the place of the overrides, for the message.

    Raises:
        UsageError: an option that does not exist, or that holds for the whole run.
    """
    if not overrides:
        return model_config, train_config
    base = {"model": _plain(model_config), "train": _plain(train_config)}
    patterns = getattr(model_config, "stage_overrides", ModelConfig.stage_overrides)
    allowed = [f"train.{name}" for name in TRAIN_OVERRIDES]
    allowed += [path for path, _ in flatten(base) if _matches(path, patterns)]
    for path, _ in flatten({k: v for k, v in overrides.items() if k != "data"}):
        if path not in allowed:
            raise UsageError(
                f"{where}: a stage cannot override {path!r}.{suggest(path, sorted(allowed))}"
            )
    merged = merge(base, overrides)
    if "model" in overrides:
        model_config = parse(type(model_config), merged["model"], f"{where}.model")
    return model_config, parse(TrainConfig, merged["train"], f"{where}.train")


def stage_data(config: DataConfig, overrides: Mapping[str, Any], where: str) -> DataConfig | None:
    """Return the `[data]` options that hold in a stage; None if it overrides none of them.

    Args:
        config: the options of the run.
        overrides: those that differ in the stage.
        where: the place of the overrides, for the message.

    Raises:
        UsageError: an option that does not exist, or that holds for the whole run.
    """
    if not (changes := overrides.get("data")):
        return None
    base = _plain(config)
    allowed = [f"data.{name}" for name in base if name not in DATA_OPTIONS_OF_RUN]
    for name in changes:
        if f"data.{name}" not in allowed:
            raise UsageError(
                f"{where}: a stage cannot override 'data.{name}'.{suggest(f'data.{name}', allowed)}"
            )
    return parse(type(config), merge(base, changes), f"{where}.data")


def _plain(config: Any) -> dict[str, Any]:
    return config.model_dump(mode="json") if isinstance(config, BaseModel) else {}


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, f"model.{pattern}") for pattern in patterns)
