"""`--init-from`: initialize a run with the weights of another run or of a pretrained folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ganzoo_core.config import RunConfig
from ganzoo_core.engine.checkpoints import load_latest
from ganzoo_core.engine.optimizers import strip_prefix
from ganzoo_core.errors import WeightsError
from ganzoo_core.files import copy_state_dict, load_tensors
from ganzoo_core.files.tensors import state_dict_differences
from ganzoo_core.interfaces import Model
from ganzoo_core.report import Progress
from ganzoo_core.training.run_folder import RunFolder
from ganzoo_core.weights import PretrainedFolder, find_pretrained
from ganzoo_core.weights.index import INDEX_FILE
from ganzoo_core.weights.load import check_finite
from ganzoo_core.weights.transfer import find_weights
from ganzoo_core.zoo.shipped_weights import effective_license

_SHOWN_LAYERS = 8


@dataclass(frozen=True)
class InitWeights:
    """The weights that initialize a run; nothing is loaded yet."""

    path: Path
    """The run or pretrained folder that the user named."""
    pretrained: PretrainedFolder
    is_partial: bool = False
    """Whether layers that do not fit are left out."""

    @property
    def source_record(self) -> dict[str, str]:
        """What the run and its pretrained folder record about the weights; no local path."""
        fields = {
            "model": self.pretrained.model_name,
            "sha256": self.pretrained.sha256,
            "data": self.pretrained.info.name,
            "license": effective_license(self.pretrained.index),
        }
        return {key: value for key, value in fields.items() if value}


def find_init_weights(
    run_config: RunConfig, recorded: Mapping[str, str] | None = None
) -> InitWeights | None:
    """Return the weights of `train.init_from`, or None without that option. Needs no data.

    Args:
        recorded: `provenance.init_from` of a run that is resumed.

    Raises:
        WeightsError: missing, damaged, of another model, or not the recorded ones.
    """
    if not run_config.train.init_from:
        return None
    path = find_weights(run_config.train.init_from)
    pretrained = find_pretrained(path)
    if pretrained.model_name != run_config.model_name:
        pretrained_name, run_name = (
            name.removeprefix("object:") for name in (pretrained.model_name, run_config.model_name)
        )
        raise WeightsError(
            f"{path} holds weights of {pretrained_name}: --init-from needs a run or weights of "
            f"{run_name}"
        )
    if recorded and recorded["sha256"] != pretrained.sha256:
        raise WeightsError(
            f"train.init_from: the sha256 of {path} differs from that of the run: restore the "
            "former weights, or start a new run"
        )
    return InitWeights(path, pretrained, run_config.train.init_partial)


def load_init_weights(
    model: Model, init_weights: InitWeights | None, progress: Progress
) -> dict[str, str]:
    """Copy the weights of every network that the files contain. The other networks keep their
    random initialization and are reported, and so are layers that do not fit where
    `InitWeights.is_partial` allows them. An error leaves the model unchanged.

    Returns:
        The record of the weights; empty without them.

    Raises:
        WeightsError: a name, a shape or `age_bins` differ, or a value is not finite. It names the
            layers that do not fit.
    """
    if init_weights is None:
        return {}
    state_by_module = {
        name: _select_module(name, model.state_dict()) for name, _ in model.named_children()
    }
    state_by_module = {name: tensors for name, tensors in state_by_module.items() if tensors}
    loaded = _collect_tensors(init_weights, list(state_by_module), progress)
    misfits = {
        name: f"{file} belongs to another model or preset: {reason}"
        for module, (file, tensors) in loaded.items()
        for name, reason in state_dict_differences(state_by_module[module], tensors).items()
    }
    if not init_weights.is_partial:
        _refuse_misfits(model, init_weights, misfits)
    for name, (file, tensors) in loaded.items():
        fitting = {key: value for key, value in tensors.items() if key not in misfits}
        check_finite(fitting, file)
        loaded[name] = file, fitting
    for name, (file, fitting) in loaded.items():
        copy_state_dict({key: state_by_module[name][key] for key in fitting}, fitting, file)
    if layers := _layers(name for name in misfits if name in model.state_dict()):
        progress.warning(f"warning: random weights, since they do not fit: {layers}")
    new_modules = [name for name in state_by_module if name not in loaded]
    suffix = f"; random weights: {', '.join(new_modules)}" if new_modules else ""
    progress.info(f"loaded {', '.join(loaded)} from {init_weights.path}{suffix}")
    _report_data_differences(model, init_weights, progress)
    return init_weights.source_record


def _refuse_misfits(model: Model, init_weights: InitWeights, misfits: Mapping[str, str]) -> None:
    """Refuse other `age_bins`, whose labels have another meaning, and layers that do not fit.

    Raises:
        WeightsError: names the layers and the remedy.
    """
    partial = f"--partial keeps the random weights of {_layers(misfits) or 'no layer'}"
    if problem := _other_age_bins(model, init_weights):
        raise WeightsError(f"{problem}, or {partial}")
    for reason in misfits.values():
        raise WeightsError(f"{reason}; its options: {_config_location(init_weights)}; or {partial}")


def _layers(names: Iterable[str]) -> str:
    """Return the layers of some tensors, each once, the first few."""
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    more = f" and {len(layers) - _SHOWN_LAYERS} more" if len(layers) > _SHOWN_LAYERS else ""
    return ", ".join(layers[:_SHOWN_LAYERS]) + more


def _collect_tensors(
    init_weights: InitWeights, module_names: list[str], progress: Progress
) -> dict[str, tuple[Path, dict[str, Tensor]]]:
    """Return the file and the tensors of each network: those of the pretrained folder, which are
    EMA weights, or else those of the newest checkpoint of the run.

    Raises:
        WeightsError: a file is damaged, or contains none of the networks.
    """
    folder = RunFolder(init_weights.path).checkpoints
    tensor_files = [
        (file, load_tensors(file)[0]) for file in init_weights.pretrained.tensor_files.values()
    ]
    if any(folder.glob("[0-9]*.json")):
        checkpoint, skipped = load_latest(folder)
        for reason in skipped:
            progress.warning(f"warning: {reason}: the checkpoint before it is used")
        tensor_files.append((checkpoint.path, strip_prefix(checkpoint.state, "model.")))
    out: dict[str, tuple[Path, dict[str, Tensor]]] = {}
    for name in module_names:
        for file, tensors in tensor_files:
            if name not in out and (selected := _select_module(name, tensors)):
                out[name] = file, selected
    if not out:
        raise WeightsError(
            f"{init_weights.path} contains no network of this model; its options: "
            f"{_config_location(init_weights)}"
        )
    return out


def _select_module(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}


def _config_location(init_weights: InitWeights) -> str:
    """Return where the options of the weights are."""
    config = RunFolder(init_weights.path).config
    if config.exists():
        return f"--config {config}"
    return str(init_weights.pretrained.path / INDEX_FILE)


def _other_age_bins(model: Model, init_weights: InitWeights) -> str:
    """Return how the `age_bins` differ, and the remedy; empty if the labels mean the same."""
    pretrained_bins, model_bins = init_weights.pretrained.info.age_bins, model.info.age_bins
    if pretrained_bins == model_bins or not getattr(model, "conditional", True):
        return ""
    pretrained_labels, model_labels = (
        f"labels with age_bins={list(bins)}" if bins else "labels without age_bins"
        for bins in (pretrained_bins, model_bins)
    )
    remedy = "use data with labels of that kind"
    if pretrained_bins and model_bins:
        remedy = f"--set model.age_bins=[{','.join(map(str, pretrained_bins))}]"
    return (
        f"{init_weights.path} was trained on {pretrained_labels}, and this run on {model_labels}: "
        f"{remedy}"
    )


def _report_data_differences(model: Model, init_weights: InitWeights, progress: Progress) -> None:
    """Report another image size and other class names, which do not change any shape."""
    pretrained_info, model_info = init_weights.pretrained.info, model.info
    if pretrained_info.image_size != model_info.image_size:
        progress.info(
            f"the loaded weights were trained at {pretrained_info.image_size} px, this run trains "
            f"at {model_info.image_size} px"
        )
    is_conditional = getattr(model, "conditional", False)
    if pretrained_info.class_names != model_info.class_names and is_conditional:
        progress.warning(
            "warning: the classes have other names in the data that the loaded weights were "
            "trained on"
        )
