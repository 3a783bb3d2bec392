"""Find a pretrained folder and rebuild its model, without the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganzoo_core.config import parse
from ganzoo_core.config.tree import model_config_class
from ganzoo_core.errors import PluginError, UsageError, WeightsError
from ganzoo_core.files.replace_files import finish_replacement
from ganzoo_core.interfaces import Model
from ganzoo_core.weights.index import INDEX_FILE
from ganzoo_core.weights.installed import InstalledNetwork
from ganzoo_core.weights.load import build_and_load
from ganzoo_core.weights.pretrained import PretrainedFolder, read_pretrained
from ganzoo_core.weights.transfer import find_weights
from ganzoo_core.zoo import API_VERSION, import_target, zoo


def find_pretrained(path: str | Path) -> PretrainedFolder:
    """Read a pretrained folder, or the one in a run folder.

    Args:
        path: the folder, or another name of weights (`locate_weights`).

    Raises:
        WeightsError: neither, or damaged.
    """
    path = find_weights(path)
    for folder in (path, path / "weights"):
        finish_replacement(folder)
    if (path / INDEX_FILE).exists() or not (path / "config.toml").exists():
        return read_pretrained(path)
    if not (path / "weights" / INDEX_FILE).exists():
        raise WeightsError(f"{path} has no weights yet: finish the run with: ganzoo resume {path}")
    return read_pretrained(path / "weights")


def load_model(pretrained: PretrainedFolder, model_class: type[Model] | None = None) -> Model:
    """Return the model on the CPU in eval mode, its weights loaded strictly.

    Args:
        model_class: the class, for weights of a model outside the zoo.

    Raises:
        WeightsError: damaged, or of another model. PluginError: the plugin is not installed.
        UsageError: `model_class` is missing.
    """
    if isinstance(pretrained, InstalledNetwork):
        return pretrained.build().requires_grad_(False)
    cls, config = find_class_and_config(pretrained, model_class)
    return build_and_load(cls, config, pretrained)


def find_class_and_config(
    pretrained: PretrainedFolder, model_class: type[Model] | None = None
) -> tuple[type[Model], Any]:
    """Return the class and the options of a model that an installed plugin registered.

    The index names a model, never code: no other class is imported.

    Args:
        model_class: the class, for weights of a model outside the zoo.

    Raises:
        UsageError: `model_class` is missing.
        PluginError: the plugin is not installed, or its contract is newer than this ganzoo.
        WeightsError: the installed version refuses the options.
    """
    if pretrained.model_name.startswith("object:"):
        if model_class is None:
            raise UsageError(
                f"{pretrained.path} holds {pretrained.model_name[7:]}, a class outside the zoo: "
                "load(path, model=...)"
            )
        cls = model_class
        return cls, parse(cls.Config, pretrained.index["config"], "model") if cls.Config else None
    plugin = pretrained.index.get("plugin") or {}
    made_with = f"{plugin.get('distribution', '')} {plugin.get('version', '')}".strip()
    if (api := pretrained.index.get("api", API_VERSION)) > API_VERSION:
        raise PluginError(
            f"{pretrained.path} needs plugin api {api}, this is api {API_VERSION}: "
            "upgrade ganzoo-core"
        )
    try:
        spec = zoo().model(pretrained.model_name)
    except UsageError:
        raise PluginError(
            f"{pretrained.path} holds the model {pretrained.model_name!r}, which no installed "
            f"plugin and no registry has; its index names {made_with or 'no plugin'}"
        ) from None
    try:
        config = parse(model_config_class(spec), pretrained.index["config"], "model")
    except UsageError as error:
        raise WeightsError(
            f"{pretrained.path} was made with {made_with or 'another plugin'} and does not fit "
            f"{zoo().origin(spec)}: {error}"
        ) from None
    return import_target(spec.target), config
