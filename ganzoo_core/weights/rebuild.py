"""From a bundle back to a model, without its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganzoo_core.config import parse
from ganzoo_core.config.tree import model_config_class
from ganzoo_core.errors import PluginError, UsageError, WeightsError
from ganzoo_core.interfaces import Model
from ganzoo_core.weights.bundle import Bundle, read_bundle
from ganzoo_core.weights.filling import assemble
from ganzoo_core.weights.index import INDEX
from ganzoo_core.zoo import API, resolve, zoo


def find_bundle(path: str | Path) -> Bundle:
    """Read the bundle of a run folder, or a bundle folder itself.

    Raises:
        WeightsError: neither, or damaged.
    """
    path = Path(path)
    if not path.is_dir():
        raise WeightsError(f"{path} is no folder: give a run (runs/...) or a folder of weights")
    if (path / INDEX).exists() or not (path / "config.toml").exists():
        return read_bundle(path)
    if not (path / "weights" / INDEX).exists():
        raise WeightsError(f"{path} has no weights yet: finish it with: ganzoo resume {path}")
    return read_bundle(path / "weights")


def rebuild(bundle: Bundle, model: type[Model] | None = None) -> Model:
    """Return a bundle's model on the CPU, its weights loaded strictly, in eval mode.

    Args:
        model: the class, for weights of a model that is not in the zoo.

    Raises:
        WeightsError: damaged, or of another model. PluginError: its plugin is missing.
    """
    if bundle.model.startswith("object:"):
        if model is None:
            raise UsageError(
                f"{bundle.path} is of {bundle.model[7:]}, no model of the zoo: "
                "load(path, model=...)"
            )
        cls = model
        values = parse(cls.Config, bundle.index["config"], "model") if cls.Config else None
    else:
        cls, values = installed(bundle)
    return assemble(cls, values, bundle)


def installed(bundle: Bundle) -> tuple[type[Model], Any]:
    """Return the class of a bundle's model, and its options, from the plugin that is installed.

    Only what an installed plugin registered is ever imported: the index names a model, no code.

    Raises:
        PluginError: the plugin is not installed, or its contract is newer than this ganzoo.
        WeightsError: the installed version does not know the bundle's options.
    """
    plugin = bundle.index.get("plugin") or {}
    made = f"{plugin.get('distribution', '')} {plugin.get('version', '')}".strip()
    if (api := bundle.index.get("api", API)) > API:
        raise PluginError(
            f"{bundle.path} is of plugin api {api}, this is api {API}: upgrade ganzoo-core"
        )
    try:
        spec = zoo().model(bundle.model)
    except UsageError:
        raise PluginError(
            f"{bundle.path} is of {bundle.model!r}, which no installed plugin has and no registry "
            f"knows; it says that it was made with {made or 'no plugin'}"
        ) from None
    try:
        values = parse(model_config_class(spec), bundle.index["config"], "model")
    except UsageError as error:
        raise WeightsError(
            f"{bundle.path} was made with {made or 'another plugin'} and does not fit "
            f"{zoo().origin(spec)}: {error}"
        ) from None
    return resolve(spec.target), values
