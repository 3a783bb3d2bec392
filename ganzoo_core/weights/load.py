"""Load a pretrained folder into a model: strictly, and without memory until everything fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.errors import GanzooError, WeightsError
from ganzoo_core.files import load_tensors
from ganzoo_core.files.tensors import cast_to_target_dtypes, check_state_dict
from ganzoo_core.interfaces import Model
from ganzoo_core.weights.build_budget import BuildBudget
from ganzoo_core.weights.index import WEIGHTS_FILE
from ganzoo_core.weights.pretrained import PretrainedFolder, inference_state_dict


def load_into(model: Model, pretrained: PretrainedFolder) -> Model:
    """Load weights strictly into a new model; drop its networks that only train.

    Raises:
        WeightsError: a name, shape or dtype differs, or a weight is not finite.
    """
    tensors = _read_checked_tensors(model, pretrained)
    for name, tensor in inference_state_dict(model).items():
        tensor.detach().copy_(tensors[name])  # keeps strides and tied weights
    return _drop_training_modules(model).eval().requires_grad_(False)


def build_and_load(cls: type[Model], config: Any, pretrained: PretrainedFolder) -> Model:
    """Build a model around memory-mapped weights.

    The model is built on the meta device first. An index that asks for networks larger than its
    weights is refused before they take memory. A model that computes in its constructor, or that
    keeps tensors outside its state dict, is built with memory, within `BuildBudget`.

    Raises:
        WeightsError: as `load_into`.
    """
    try:
        with BuildBudget(pretrained.path), torch.device("meta"):
            model = cls(config, pretrained.info)
    except WeightsError:
        raise
    except Exception:  # the constructor computes with its weights, or the index is wrong
        return load_into(build_model(cls, config, pretrained), pretrained)
    tensors = _read_checked_tensors(model, pretrained)
    _drop_training_modules(model)
    for name, net in model.named_children():
        module_state = {
            k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")
        }
        net.load_state_dict(cast_to_target_dtypes(net.state_dict(), module_state), assign=True)
    # Auxiliary networks that the constructor made are on the meta device as well.
    if model.auxiliaries or any(tensor.is_meta for tensor in _iter_all_tensors(model)):
        return load_into(build_model(cls, config, pretrained), pretrained)
    return model.eval().requires_grad_(False)


def build_model(cls: type[Model], config: Any, pretrained: PretrainedFolder) -> Model:
    """Build the model of an index with memory for its weights.

    Raises:
        WeightsError: its constructor refuses the options of the index, or it would be much larger
            than the weights in the folder.
    """
    try:
        with BuildBudget(pretrained.path):
            return cls(config, pretrained.info)
    except (GanzooError, MemoryError):
        raise
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")[:200]
        raise WeightsError(
            f"{pretrained.path} does not fit {cls.__name__} ({type(error).__name__}: {line})"
        ) from error


def _read_checked_tensors(model: Model, pretrained: PretrainedFolder) -> dict[str, Tensor]:
    """Return memory-mapped tensors that fit the inference modules of the model."""
    path = pretrained.path / WEIGHTS_FILE
    tensors, _ = load_tensors(path)
    check_state_dict(inference_state_dict(model), tensors, path)
    check_finite(tensors, path)
    return tensors


def count_parameters(pretrained: PretrainedFolder) -> int:
    """Read every .safetensors file; return the number of values.

    Raises:
        WeightsError: a file is damaged, or a value is not finite.
    """
    total = 0
    for path in pretrained.tensor_files.values():
        tensors, _ = load_tensors(path)
        check_finite(tensors, path)
        total += sum(tensor.numel() for tensor in tensors.values())
    return total


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise WeightsError if a value is NaN or infinite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise WeightsError(f"{path}: {name!r} holds values that are not finite")


def _drop_training_modules(model: Model) -> Model:
    for name, _ in list(model.named_children()):
        if name not in model.inference_modules:
            delattr(model, name)
    return model


def _iter_all_tensors(model: nn.Module) -> Iterator[Tensor]:
    """Yield the parameters, the buffers and the tensors in plain attributes of all modules."""
    for module in model.modules():
        yield from _iter_nested_tensors(vars(module))


def _iter_nested_tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _iter_nested_tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _iter_nested_tensors(item)
