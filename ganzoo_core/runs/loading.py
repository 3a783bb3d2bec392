"""Load a run or a bundle: a model that samples, translates, embeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.interfaces import Model
from ganzoo_core.weights import find_bundle, judges_of, rebuild


def load(
    path: str | Path, *, device: str = "auto", model: type[Model] | None = None,
    judges: Mapping[str, str | Path] | None = None,
) -> Model:  # fmt: skip
    """Return the model of a run or bundle, its averaged weights loaded strictly, in eval mode.

    Args:
        model: the class, for weights of a model that is not in the zoo.
        judges: folders of the judges it was trained against, by role, where no plugin ships them.
            A judge is read when the model first asks for it.

    Raises:
        WeightsError: no bundle, damaged, or of another model. PluginError: its plugin is missing.
    """
    bundle = find_bundle(path)
    rebuilt = rebuild(bundle, model)
    place = resolve_device(device)
    if not rebuilt.judges:
        rebuilt.judges = judges_of(bundle, judges)
    rebuilt.judges.to(place)
    return rebuilt.to(place)
