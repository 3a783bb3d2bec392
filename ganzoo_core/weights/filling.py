"""From a bundle to a model: strict, and no memory is taken before everything fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.errors import GanzooError, WeightsError
from ganzoo_core.files import load_tensors
from ganzoo_core.files.tensors import check_fit, widened
from ganzoo_core.interfaces import Model
from ganzoo_core.weights.bundle import Bundle, served
from ganzoo_core.weights.index import WEIGHTS


def fill(model: Model, bundle: Bundle) -> Model:
    """Load a bundle's weights strictly into a fresh model; networks it lacks are dropped.

    Raises:
        WeightsError: a name, a shape, a type differs, or a weight is not finite.
    """
    tensors = fitting(model, bundle)
    for name, tensor in served(model).items():
        tensor.detach().copy_(tensors[name])  # strides and ties stay
    return bare(model).eval().requires_grad_(False)


def assemble(cls: type[Model], config: Any, bundle: Bundle) -> Model:
    """Build a model around a bundle's memory-mapped weights.

    It is built without memory first, so that an index which asks for networks larger than its
    weights is refused before they are made. Models that compute in their constructor, or keep
    tensors outside their state, are built in the plain way.

    Raises:
        WeightsError: as `fill`.
    """
    try:
        with torch.device("meta"):
            model = cls(config, bundle.info)
    except Exception:  # its constructor computes with its weights, or the index is wrong
        return fill(construct(cls, config, bundle), bundle)
    tensors = fitting(model, bundle)
    bare(model)
    for name, net in model.named_children():
        own = {
            k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")
        }
        net.load_state_dict(widened(net.state_dict(), own), assign=True)
    if model.judges or any(tensor.is_meta for tensor in held(model)):  # or brings its judges
        return fill(construct(cls, config, bundle), bundle)
    return model.eval().requires_grad_(False)


def construct(cls: type[Model], config: Any, bundle: Bundle) -> Model:
    """Build a bundle's model with memory for its weights.

    Raises:
        WeightsError: its class refuses what the index says.
    """
    try:
        return cls(config, bundle.info)
    except (GanzooError, MemoryError):
        raise
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")[:200]
        raise WeightsError(
            f"{bundle.path} does not fit {cls.__name__} ({type(error).__name__}: {line})"
        ) from error


def fitting(model: Model, bundle: Bundle) -> dict[str, Tensor]:
    """Return a bundle's tensors, memory-mapped, once they fit the model's served networks."""
    path = bundle.path / WEIGHTS
    tensors, _ = load_tensors(path)
    check_fit(served(model), tensors, path)
    refuse_infinite(tensors, path)
    return tensors


def count_values(bundle: Bundle) -> int:
    """Read every file of tensors; return how many values there are.

    Raises:
        WeightsError: a file is damaged, or a value is not finite.
    """
    total = 0
    for path in bundle.tensor_files.values():
        tensors, _ = load_tensors(path)
        refuse_infinite(tensors, path)
        total += sum(tensor.numel() for tensor in tensors.values())
    return total


def refuse_infinite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not finite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise WeightsError(f"{path}: {name!r} holds values that are not finite")


def bare(model: Model) -> Model:
    """Drop the networks that a bundle does not carry."""
    for name, _ in list(model.named_children()):
        if name not in model.serves:
            delattr(model, name)
    return model


def held(model: nn.Module) -> Iterator[Tensor]:
    """Yield every tensor that a model's modules hold: parameters, buffers, plain attributes."""
    for module in model.modules():
        yield from inside(vars(module))


def inside(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of an attribute, and of lists and tables in it."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from inside(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from inside(item)
