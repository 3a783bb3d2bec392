"""One tree of options: defaults < preset < --config file < --set."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ganzoo_core.config.base import Config, ModelConfig, parse
from ganzoo_core.config.sections import DataConfig, TrainConfig
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.zoo import ModelSpec, resolve, zoo

Tree = dict[str, Any]
BRANCHES = ("model", "data", "train")


@dataclass(frozen=True)
class RunConfig:
    """The validated tree of a run."""

    model_name: str
    preset: str
    model: Any
    """The model's own configuration, or None for a model handed over as an object."""
    data: DataConfig
    train: TrainConfig

    def tree(self) -> Tree:
        """Return the tree as plain values, ready for TOML; options without a value are left out."""
        branches = {name: getattr(self, name) for name in BRANCHES}
        dumped = {
            name: c.model_dump(mode="json", exclude_none=True) if isinstance(c, BaseModel) else {}
            for name, c in branches.items()
        }
        return {"run": {"model": self.model_name, "preset": self.preset}, **dumped}


def model_config_class(spec: ModelSpec) -> type[ModelConfig]:
    """Import the configuration class of a model."""
    cls: type[ModelConfig] = resolve(spec.config) if spec.config else ModelConfig
    return cls


def data_config_class(name: str) -> type[DataConfig]:
    """Import the configuration class of a data set; the plain one where it has no options."""
    config = zoo().dataset(name).config if name else ""
    cls: type[DataConfig] = resolve(config) if config else DataConfig
    return cls


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> Tree:
    """Return base with patch laid over it; tables merge, values replace. A table whose `kind`
    changes begins anew: the options of one loss are not those of another."""
    out = dict(base)
    for key, value in patch.items():
        old = out.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            same = "kind" not in value or old.get("kind", value["kind"]) == value["kind"]
            out[key] = merge(old, value) if same else value
        else:
            out[key] = value
    return out


def flat(tree: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a tree's values by their full path, as --set takes them."""
    for key, value in tree.items():
        path = f"{at}.{key}" if at else str(key)
        if isinstance(value, Mapping) and value:
            yield from flat(value, path)
        else:
            yield path, value


def assign(assignments: Iterable[str]) -> Tree:
    """Turn ``["model.width=32"]`` into a tree. Values are TOML where they parse, else text.

    Raises:
        UsageError: a word without ``=``, or a path that does not start at a branch.
    """
    tree: Tree = {}
    for word in assignments:
        path, equals, text = word.partition("=")
        keys = path.strip().split(".")
        if not equals or len(keys) < 2 or not all(keys):
            raise UsageError(f"--set {word!r}: write BRANCH.OPTION=VALUE, such as train.batch=32")
        if keys[0] not in BRANCHES:
            raise UsageError(
                f"--set {word!r}: there is no branch {keys[0]!r}.{suggest(keys[0], BRANCHES)}"
            )
        patch: Any = scalar(text)
        for key in reversed(keys):
            patch = {key: patch}
        tree = merge(tree, patch)
    return tree


def scalar(text: str) -> Any:
    """Read one value as TOML would; what is not TOML is taken as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def read_toml(path: Path) -> Tree:
    """Read a configuration file.

    Raises:
        UsageError: the file is missing or is not TOML (with the line).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"configuration file {path}: {reason}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"configuration file {path} is not TOML: {error}") from None


def preset_patch(config: type[ModelConfig], name: str) -> Mapping[str, Any]:
    """Return a preset's patch.

    Raises:
        UsageError: the model has no such preset.
    """
    if name in config.presets or (name == "quick" and not config.presets):
        return config.presets.get(name, {})
    raise UsageError(f"there is no preset {name!r}.{suggest(name, config.presets)}")


def check_tables(patch: Mapping[str, Any]) -> None:
    """Refuse branches that do not exist, or hold no options.

    Raises:
        UsageError: names the branch.
    """
    for key, value in patch.items():
        if key not in {*BRANCHES, "run", "made"}:
            raise UsageError(f"there is no branch {key!r}.{suggest(key, BRANCHES)}")
        if not isinstance(value, Mapping):
            raise UsageError(f"{key} = {value!r}: a branch is a table of options, [{key}]")


def fitting(data: Mapping[str, Any], patch: Mapping[str, Any]) -> Tree:
    """Keep the options of a data set only while it stays that data set.

    When a patch names another one, size and channels remain: they are any data's.
    """
    name = patch.get("data", {}).get("name", data.get("name"))
    if name == data.get("name"):
        return dict(data)
    return {key: data[key] for key in ("size", "channels") if key in data}


def build(
    model: str,
    *,
    preset: str = "",
    patches: Iterable[Mapping[str, Any]] = (),
    resolved: bool = False,
) -> RunConfig:
    """Build the tree of a run of a zoo model.

    Args:
        preset: a name, or empty for the one a patch's `[run]` names, else `quick`.
        patches: the configuration file, then the options of the command line.
        resolved: the patches hold a whole tree already, so the preset is no more than its name.

    Raises:
        UsageError: an unknown model, preset, data set or option; a value that does not fit.
        PluginError: the model's or data set's plugin is missing or broken.
    """
    patches = list(patches)
    config = model_config_class(zoo().model(model))
    for patch in patches:
        check_tables(patch)
        preset = preset or str(patch.get("run", {}).get("preset", ""))
    preset = preset or "quick"
    tree = {} if resolved else dict(preset_patch(config, preset))
    for patch in patches:
        tree = merge({**tree, "data": fitting(tree.get("data", {}), patch)}, patch)
    data = tree.get("data", {})
    return RunConfig(
        model,
        preset,
        parse(config, tree.get("model", {}), "model"),
        parse(data_config_class(data.get("name", "")), data, "data"),
        parse(TrainConfig, tree.get("train", {}), "train"),
    )


__all__ = ["Config", "RunConfig", "Tree", "assign", "build", "merge", "read_toml"]
