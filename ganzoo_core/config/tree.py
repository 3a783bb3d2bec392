"""The configuration of a run: defaults < preset < --config file < --set."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ganzoo_core.config.base import NONE, Config, ModelConfig, parse
from ganzoo_core.config.former_names import FORMER_PRESETS, present_name
from ganzoo_core.config.losses import loss_options_class
from ganzoo_core.config.overrides import merge, stage_data, stage_options
from ganzoo_core.config.sections import DataConfig, TrainConfig
from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.files import typed
from ganzoo_core.zoo import ModelSpec, composition_patch, import_target, zoo
from ganzoo_core.zoo.detect import detect_dataset, is_path

Tree = dict[str, Any]
BRANCHES = ("model", "data", "train")


@dataclass(frozen=True)
class RunConfig:
    """The validated configuration of a run."""

    model_name: str
    preset: str
    model: Any
    """The model's own configuration, or None for a model that was given as an object."""
    data: DataConfig
    train: TrainConfig
    composition: str = ""
    """The composition whose options it has; `model_name` is its base."""

    @property
    def name(self) -> str:
        """The name as typed: that of the composition, else of the model."""
        return self.composition or self.model_name

    def tree(self) -> Tree:
        """Return plain values, ready for TOML; options that are None are left out."""
        branches = {name: getattr(self, name) for name in BRANCHES}
        dumped = {
            name: c.model_dump(mode="json", exclude_none=True) if isinstance(c, BaseModel) else {}
            for name, c in branches.items()
        }
        if "terms" in dumped["model"]:  # "none" for a removed term, which the preset would add
            presets = getattr(self.model, "presets", {})
            patches = [presets.get(self.preset, {}), _find_patch(self.composition)]
            names = [name for patch in patches for name in patch.get("model", {}).get("terms", {})]
            dumped["model"]["terms"] = {**dict.fromkeys(names, NONE), **dumped["model"]["terms"]}
        run = {"model": self.model_name, "preset": self.preset}
        if self.composition:
            run["composition"] = self.composition
        return {"run": run, **dumped}


def model_config_class(spec: ModelSpec) -> type[ModelConfig]:
    """Import the configuration class of a model."""
    cls: type[ModelConfig] = import_target(spec.config) if spec.config else ModelConfig
    return cls


def data_config_class(name: str) -> type[DataConfig]:
    """Import the configuration class of a data set; `DataConfig` where it has no options."""
    config = zoo().dataset(name).config if name else ""
    cls: type[DataConfig] = import_target(config) if config else DataConfig
    return cls


def parse_data_source(text: str) -> Tree:
    """Return ``NAME[:PATH]`` as options of `[data]`: ``{"name": NAME, "path": PATH}``. Only the
    first colon separates; the path is empty without one. For a path alone, the data set that reads
    it is found.

    Raises:
        DataError: a path alone that does not exist, or that no data set reads.
        UsageError: several data sets read it.
    """
    if is_path(text):
        return {"name": detect_dataset(text)[0], "path": text}
    name, _, path = text.partition(":")
    return {"name": zoo().canonical_name("dataset", name), "path": path}


def parse_assignments(assignments: Iterable[str]) -> Tree:
    """Parse ``["model.latent_dim=32"]`` into a tree. Values are TOML where they parse, else text.

    Raises:
        UsageError: a word without ``=``, or a path that does not start at a branch.
    """
    tree: Tree = {}
    for word in assignments:
        path, equals, text = word.partition("=")
        keys = path.strip().split(".")
        if not equals or len(keys) < 2 or not all(keys):
            raise UsageError(
                f"--set {word!r}: write BRANCH.OPTION=VALUE, such as train.batch_size=32"
            )
        if keys[0] not in BRANCHES:
            raise UsageError(
                f"--set {word!r}: there is no branch {keys[0]!r}.{suggest(keys[0], BRANCHES)}"
            )
        patch: Any = _parse_value(text)
        for key in reversed(keys):
            patch = {key: patch}
        tree = merge(tree, patch)
    return tree


def parse_options(assignments: Iterable[str]) -> Tree:
    """Parse ``["code=3"]``, options without a branch, into values by name.

    Raises:
        UsageError: a word without ``=``.
    """
    options: Tree = {}
    for word in assignments:
        name, equals, text = word.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {word!r}: write OPTION=VALUE, such as truncation=0.7")
        options[name.strip()] = _parse_value(text)
    return options


def _parse_value(text: str) -> Any:
    """Parse one TOML value; text that is not TOML is returned as it is."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def read_toml(path: Path) -> Tree:
    """Read a configuration file.

    Raises:
        UsageError: the file is missing or is not TOML (with the line).
    """
    return typed.read_toml(path, dict[str, Any], error=UsageError)


def preset_patch(config: type[BaseModel], name: str) -> Mapping[str, Any]:
    """Return the patch of a preset.

    Args:
        config: the configuration class of a model; only a `ModelConfig` has presets.
        name: the preset.

    Raises:
        UsageError: the model has no such preset.
    """
    presets: Mapping[str, Mapping[str, Any]] = getattr(config, "presets", {})
    if name in presets or (name == "quick" and not presets):
        return presets.get(name, {})
    if not presets:
        raise UsageError(f"there is no preset {name!r}: the model defines none; leave it out")
    hint = suggest(present_name(FORMER_PRESETS, name, presets), presets)
    raise UsageError(f"there is no preset {name!r}.{hint}")


def _find_patch(composition: str) -> Mapping[str, Any]:
    """Return the patch of a composition; empty for none, and for one that is not installed."""
    if composition not in zoo().names("composition"):
        return {}
    spec = zoo().composition(composition)
    return composition_patch(spec) if spec else {}


def _check_branches(patch: Mapping[str, Any]) -> None:
    """Refuse unknown branches, and branches that are not tables.

    Raises:
        UsageError: names the branch.
    """
    for key, value in patch.items():
        if key not in {*BRANCHES, "run", "provenance"}:
            raise UsageError(f"there is no branch {key!r}.{suggest(key, BRANCHES)}")
        if not isinstance(value, Mapping):
            raise UsageError(f"{key} = {value!r}: a branch is a table of options, [{key}]")


def _check_former_loss_terms(tree: Mapping[str, Any], patch: Mapping[str, Any]) -> None:
    """Refuse another loss while a term that only the former loss needs is still configured, as in
    the config.toml of a run.

    Raises:
        UsageError: names the term.
    """
    former, loss = (t.get("model", {}).get("loss", {}) for t in (tree, patch))
    former, kind = (x.get("kind") if isinstance(x, Mapping) else x for x in (former, loss))
    if not former or not kind or kind == former:
        return
    terms = tree["model"].get("terms", {})
    for name in loss_options_class(former).default_terms:
        is_kept = name in loss_options_class(kind).default_terms
        is_decided = name in patch["model"].get("terms", {})
        if terms.get(name, NONE) != NONE and not is_kept and not is_decided:
            raise UsageError(
                f"model.loss.kind={kind}: the term {name} of the loss {former} is still there: "
                f"--set model.terms.{name}=none removes it, --set 'model.terms.{name}={{}}' "
                "keeps it"
            )


def _keep_data_options(data: Mapping[str, Any], patch: Mapping[str, Any]) -> Tree:
    """Return the data options that still apply: all of them for the same data set, else only the
    image size and the channels."""
    name = patch.get("data", {}).get("name", data.get("name"))
    if name == data.get("name"):
        return dict(data)
    return {key: data[key] for key in ("image_size", "num_channels") if key in data}


def build_config(
    model: str,
    *,
    preset: str = "",
    patches: Iterable[Mapping[str, Any]] = (),
    is_resolved: bool = False,
) -> RunConfig:
    """Build the configuration of a run of a zoo model.

    Args:
        model: its name, or that of a composition.
        preset: a name, or empty for the one in a patch's `[run]`, else `quick`.
        patches: the configuration file, then the options of the command line.
        is_resolved: the patches hold a whole configuration, so the preset only gives its name.

    Raises:
        UsageError: an unknown model, preset, data set or option; an invalid value.
        PluginError: the model's or data set's plugin is missing or broken.
    """
    spec, patches = zoo().model(model), list(patches)
    composition = zoo().composition(model)
    for patch in patches:
        _check_branches(patch)
    stored = [str(patch.get("run", {}).get("composition", "")) for patch in patches]
    name = composition.name if composition else next(filter(None, stored), "")
    if not composition and not is_resolved and name:  # of a configuration file
        composition = zoo().composition(name)
        name = name if composition and composition.base == spec.name else ""
    return build_class_config(
        spec.name,
        model_config_class(spec),
        preset=preset,
        patches=patches,
        is_resolved=is_resolved,
        composition=name,
    )


def build_class_config(
    name: str,
    config_class: type[BaseModel],
    *,
    preset: str = "",
    patches: Iterable[Mapping[str, Any]] = (),
    is_resolved: bool = False,
    composition: str = "",
) -> RunConfig:
    """Build the configuration of a run of any model, from the class of its options.

    Args:
        name: the name of the model in config.toml.
        config_class: the class of `[model]`; its presets count if it is a `ModelConfig`.
        preset, patches, is_resolved: see `build_config`.
        composition: the name of a composition, whose patch follows that of the preset.

    Raises:
        UsageError: an unknown preset, data set or option; an invalid value.
        PluginError: the data set's plugin is missing or broken.
    """
    patches = list(patches)
    for patch in patches:
        _check_branches(patch)
        preset = preset or str(patch.get("run", {}).get("preset", ""))
    preset = preset or "quick"
    tree: Tree = {}
    if not is_resolved:
        changes = _find_patch(composition)
        _check_branches(changes)
        tree = merge(preset_patch(config_class, preset), changes)
    for patch in patches:
        _check_former_loss_terms(tree, patch)
        tree = merge({**tree, "data": _keep_data_options(tree.get("data", {}), patch)}, patch)
    data = tree.get("data", {})
    model_config = parse(config_class, tree.get("model", {}), "model")
    train_config = parse(TrainConfig, tree.get("train", {}), "train")
    data_config = parse(data_config_class(data.get("name", "")), data, "data")
    for stage, options in train_config.stages.items():
        where = f"train.{stage}.overrides"
        stage_options(model_config, train_config, options.overrides, where)
        stage_data(data_config, options.overrides, where)
    return RunConfig(name, preset, model_config, data_config, train_config, composition)


__all__ = [
    "Config",
    "RunConfig",
    "Tree",
    "build_config",
    "merge",
    "parse_assignments",
    "parse_data_source",
    "parse_options",
    "read_toml",
]
