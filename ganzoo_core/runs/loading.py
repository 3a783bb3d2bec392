"""Load a run or a bundle: a model that samples, translates, embeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.files import copy_strictly, load_tensors
from ganzoo_core.interfaces import Model
from ganzoo_core.runs.exporting import networks
from ganzoo_core.runs.folder import RunFolder
from ganzoo_core.weights import Bundle, find_bundle, judges_of, rebuild
from ganzoo_core.weights.filling import construct


def load(
    path: str | Path,
    *,
    device: str = "auto",
    model: type[Model] | None = None,
    judges: Mapping[str, str | Path] | None = None,
    whole: bool = False,
) -> Model:
    """Return the model of a run or bundle, its averaged weights loaded strictly, in eval mode.

    Args:
        model: the class, for weights of a model that is not in the zoo.
        whole: with the networks that only train, such as a discriminator, where there are weights
            of them: in the run's newest checkpoint, or in the bundle.
        judges: folders of the judges it was trained against, by role, where no plugin ships them.
            A judge is read when the model first asks for it.

    Raises:
        WeightsError: no bundle, damaged, or of another model. PluginError: its plugin is missing.
    """
    bundle = find_bundle(path)
    rebuilt = rebuild(bundle, model)
    if whole:
        restore(rebuilt, bundle, Path(path))
    place = resolve_device(device)
    if not rebuilt.judges:
        rebuilt.judges = judges_of(bundle, judges)
    rebuilt.judges.to(place)
    return rebuilt.to(place)


def restore(model: Model, bundle: Bundle, path: Path) -> None:
    """Give a model back the networks that only train, as far as there are weights of them."""
    fresh = construct(type(model), model.config, bundle)
    training = {
        name: net
        for name, net in fresh.named_children()
        if name not in model.serves and net.state_dict()
    }
    files = {name: bundle.path / f"{name}.safetensors" for name in training}
    beside = {name: file for name, file in files.items() if file.name in bundle.index["files"]}
    rest = [name for name in training if name not in beside]
    run = RunFolder(path)
    found = networks(path, rest) if run.config.exists() else {}
    found |= {name: load_tensors(file)[0] for name, file in beside.items()}
    for name, tensors in found.items():
        own = {k.removeprefix(f"{name}."): v for k, v in tensors.items()}
        copy_strictly(training[name].state_dict(), own, beside.get(name, run.checkpoints))
        model.add_module(name, training[name].eval().requires_grad_(False))
