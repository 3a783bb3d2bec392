"""From a bundle back to a model, without its data."""

from __future__ import annotations

from pathlib import Path

from ganzoo_core.config import parse
from ganzoo_core.config.tree import model_config_class
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.interfaces import Model
from ganzoo_core.weights.bundle import Bundle, read_bundle
from ganzoo_core.weights.filling import assemble
from ganzoo_core.weights.index import INDEX
from ganzoo_core.zoo import resolve, zoo


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
        spec = zoo().model(bundle.model)
        cls = resolve(spec.target)
        values = parse(model_config_class(spec), bundle.index["config"], "model")
    return assemble(cls, values, bundle)
