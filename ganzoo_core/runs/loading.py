"""Load a run or a bundle: a model that samples, translates, embeds."""

from __future__ import annotations

from pathlib import Path

from ganzoo_core.config.base import parse
from ganzoo_core.config.tree import model_config_class
from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.interfaces import Model
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.weights import Bundle, assemble, read_bundle
from ganzoo_core.zoo import resolve, zoo


def find_bundle(path: str | Path) -> Bundle:
    """Read the bundle of a run folder, or a bundle folder itself.

    Raises:
        WeightsError: neither, or damaged.
    """
    path = Path(path)
    if not path.is_dir():
        raise WeightsError(f"{path} is no folder: give a run (runs/...) or a folder of weights")
    run = RunFolder(path)
    if run.config.exists():
        if not run.weights.exists():
            raise WeightsError(f"{path} has no weights yet: finish it with: ganzoo resume {path}")
        return read_bundle(run.weights)
    return read_bundle(path)


def load(path: str | Path, *, device: str = "auto", model: type[Model] | None = None) -> Model:
    """Return the model of a run or bundle, its averaged weights loaded strictly, in eval mode.

    Args:
        model: the class, for weights of a model that is not in the zoo.

    Raises:
        WeightsError: no bundle, damaged, or of another model. PluginError: its plugin is missing.
    """
    bundle = find_bundle(path)
    if bundle.model.startswith("object:"):
        if model is None:
            raise UsageError(
                f"{path} is of {bundle.model[7:]}, no model of the zoo: load(path, model=...)"
            )
        cls = model
        values = parse(cls.Config, bundle.index["config"], "model") if cls.Config else None
    else:
        spec = zoo().model(bundle.model)
        cls = resolve(spec.target)
        values = parse(model_config_class(spec), bundle.index["config"], "model")
    return assemble(cls, values, bundle).to(resolve_device(device))
