"""Load the model of a run or of a pretrained folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.files import copy_state_dict, load_tensors
from ganzoo_core.interfaces import Model
from ganzoo_core.training.exporting import load_checkpoint_modules
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedFolder, find_pretrained, lazy_auxiliaries, load_model
from ganzoo_core.weights.load import build_model


def load(
    path: str | Path,
    *,
    device: str = "auto",
    model: type[Model] | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
    include_training_modules: bool = False,
) -> Model:
    """Return the model of a run or of a pretrained folder with its EMA weights, in eval mode.

    Args:
        path: the run or pretrained folder.
        device: auto, cpu, cuda, cuda:N or mps.
        model: the model class, if no plugin registers it.
        auxiliaries: folders of the auxiliary networks by role, where no plugin ships them. A
            network is loaded when the model first uses it.
        include_training_modules: also load the networks that only training uses, such as a
            discriminator, from the pretrained folder or the newest checkpoint of the run.

    Raises:
        WeightsError: not found, damaged, or of another model.
        PluginError: the plugin of the model is not installed.
    """
    pretrained = find_pretrained(path)
    loaded_model = load_model(pretrained, model)
    if include_training_modules:
        _load_training_modules(loaded_model, pretrained, Path(path))
    torch_device = resolve_device(device)
    if not loaded_model.auxiliaries:
        loaded_model.auxiliaries = lazy_auxiliaries(pretrained, auxiliaries)
    loaded_model.auxiliaries.to(torch_device)
    return loaded_model.to(torch_device)


def _load_training_modules(model: Model, pretrained: PretrainedFolder, path: Path) -> None:
    """Add the networks that only training uses, where there are weights for them."""
    new_model = build_model(type(model), model.config, pretrained)
    training_modules = {
        name: net
        for name, net in new_model.named_children()
        if name not in model.inference_modules and net.state_dict()
    }
    files = {name: pretrained.path / f"{name}.safetensors" for name in training_modules}
    exported_files = {
        name: file for name, file in files.items() if file.name in pretrained.index["files"]
    }
    missing = [name for name in training_modules if name not in exported_files]
    run = RunFolder(path)
    state_by_module = load_checkpoint_modules(path, missing) if run.config.exists() else {}
    state_by_module |= {name: load_tensors(file)[0] for name, file in exported_files.items()}
    for name, tensors in state_by_module.items():
        module_state = {k.removeprefix(f"{name}."): v for k, v in tensors.items()}
        copy_state_dict(
            training_modules[name].state_dict(),
            module_state,
            exported_files.get(name, run.checkpoints),
        )
        model.add_module(name, training_modules[name].eval().requires_grad_(False))
