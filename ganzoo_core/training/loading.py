"""Load the model of a run, finished or not, or of a pretrained folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganzoo_core.engine.checkpoints import (
    CheckpointRecord,
    checkpoint_records,
    load_best,
    load_latest,
)
from ganzoo_core.engine.optimizers import strip_prefix
from ganzoo_core.engine.setup import resolve_device
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import copy_state_dict, load_tensors, read_json
from ganzoo_core.interfaces import Model
from ganzoo_core.training.exporting import load_checkpoint_modules
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedFolder, find_pretrained, lazy_auxiliaries, load_model
from ganzoo_core.weights.index import INDEX_FILE, CheckpointIndex, check_data_info, read_index
from ganzoo_core.weights.load import build_model
from ganzoo_core.weights.load_model import find_class_and_config
from ganzoo_core.weights.transfer import find_weights


def load(
    path: str | Path,
    *,
    device: str = "auto",
    model: type[Model] | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
    include_training_modules: bool = False,
) -> Model:
    """Return the model of a run or of a pretrained folder with its EMA weights, in eval mode.

    Of a run that trains, was stopped, or was resumed for more steps, it is the model of the newest
    valid checkpoint (`unfinished_steps`).

    Args:
        path: the run or pretrained folder, or another name of weights: that of `ganzoo list
            weights` or of a registry, ``hf://owner/name@revision``, or ``https://...#sha256=H``.
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
    return load_with_record(
        path,
        device=device,
        model=model,
        auxiliaries=auxiliaries,
        include_training_modules=include_training_modules,
    )[0]


from_pretrained = load
"""`load` under the name that other libraries have for it."""


def load_with_record(
    path: str | Path,
    *,
    device: str = "auto",
    model: type[Model] | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
    include_training_modules: bool = False,
) -> tuple[Model, PretrainedFolder]:
    """Return a model and the facts about its weights: those of the pretrained folder, or of the
    checkpoint that the model is from. For arguments and errors see `load`."""
    path = find_weights(path)
    if unfinished_steps(path):
        loaded_model, pretrained = load_checkpoint(RunFolder(Path(path)), model)
        for name, _ in list(loaded_model.named_children()):
            if name not in loaded_model.inference_modules and not include_training_modules:
                delattr(loaded_model, name)
    else:
        pretrained = find_pretrained(path)
        loaded_model = load_model(pretrained, model)
        if include_training_modules:
            _load_training_modules(loaded_model, pretrained, Path(path))
    torch_device = resolve_device(device)
    if not loaded_model.auxiliaries:
        loaded_model.auxiliaries = lazy_auxiliaries(pretrained, auxiliaries)
    loaded_model.auxiliaries.to(torch_device)
    loaded_model.index_fields = {k: v for k, v in pretrained.index.items() if k != "files"}
    return loaded_model.to(torch_device), pretrained


def unfinished_steps(path: str | Path) -> tuple[int, int] | None:
    """Return (step, total steps) of the newest checkpoint of a run that is not finished.

    None for a finished run, for one without checkpoints, and for a pretrained folder.
    """
    run = RunFolder(Path(path))
    if (run.path / INDEX_FILE).exists() or not run.checkpoint_index.exists():
        return None
    for record in checkpoint_records(run.checkpoints):
        try:
            info = read_json(record, CheckpointRecord)
            is_missing = not (run.weights / INDEX_FILE).exists()
            weights_step = -1 if is_missing else read_index(run.weights / INDEX_FILE)["steps"]
        except (WeightsError, KeyError):
            return None  # damaged: reading the weights names the file
        return (info.step, info.total_steps) if info.step > weights_step else None
    return None


def load_checkpoint(
    run: RunFolder, model_class: type[Model] | None = None, *, is_best: bool = False
) -> tuple[Model, PretrainedFolder]:
    """Return the model of the newest valid checkpoint, or of the best one, with its averaged
    weights, on the CPU, and the facts that a pretrained folder would have.

    Raises:
        WeightsError: damaged, or of another model.
    """
    checkpoint = load_best(run.checkpoints) if is_best else load_latest(run.checkpoints)[0]
    remedy = f"finish the run with: ganzoo resume {run.path}"
    index = read_json(run.checkpoint_index, CheckpointIndex, remedy=remedy)
    try:
        check_data_info(index.data)
    except (ValueError, TypeError) as error:
        raise WeightsError(
            f"{run.checkpoint_index} is damaged ({type(error).__name__}): {remedy}"
        ) from None
    fields = {**index.model_dump(mode="json", exclude_unset=True), "steps": checkpoint.info["step"]}
    pretrained = PretrainedFolder(run.checkpoints, fields, checkpoint.path.name)
    cls, config = find_class_and_config(pretrained, model_class)
    model = build_model(cls, config, pretrained)
    state = strip_prefix(checkpoint.state, "model.")
    averages = strip_prefix(checkpoint.state, "ema.")  # OPTIMIZER.MODULE.NAME
    state |= {name.partition(".")[2]: value for name, value in averages.items()}
    copy_state_dict(model.state_dict(), state, checkpoint.path)
    return model.eval().requires_grad_(False), pretrained


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
