"""Export a model as ONNX and compare it with the model's own output."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import atomic_path
from ganzoo_core.interfaces import (
    Generator,
    Model,
    SeededRng,
    SupportsTranslation,
)
from ganzoo_core.zoo import has_capability, zoo

_OPSET_VERSION = 18
_EXAMPLE_BATCH_SIZE = 2
"""Of the example inputs; the graph accepts any batch size."""


@dataclass(frozen=True)
class OnnxExport:
    """An exported ONNX file and its inputs and output."""

    path: Path
    inputs: dict[str, tuple[int | str, ...]]
    """Name -> shape; the first axis is "batch"."""
    output_name: str
    max_abs_error: float | None
    """Largest difference between onnxruntime and the model; None without onnxruntime."""


class _MethodModule(nn.Module):
    """A module whose forward is one method of a model."""

    def __init__(self, model: nn.Module, method: str) -> None:
        super().__init__()
        self.model, self.method_name = model, method

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = getattr(self.model, self.method_name)(*inputs)
        return out


def _make_export_example(model: Model) -> tuple[nn.Module, dict[str, Tensor], str]:
    """Return the module to export, example inputs by name, and the name of the output."""
    info = model.info
    rng = SeededRng(torch.device("cpu"), 0, "onnx", 0)
    image = rng.uniform(
        -1, 1, _EXAMPLE_BATCH_SIZE, info.num_channels, info.image_size, info.image_size
    )
    label = torch.arange(_EXAMPLE_BATCH_SIZE) % max(len(info.class_names), 1)
    generator = getattr(model, "generator", None)
    if isinstance(generator, Generator):
        inputs = {"z": generator.sample_latent(_EXAMPLE_BATCH_SIZE, rng)}
        inputs |= {"label": label} if getattr(model, "conditional", False) else {}
        return generator, inputs, "image"
    if isinstance(model, SupportsTranslation):
        return _MethodModule(model, "translate"), {"image": image, "label": label}, "translated"
    image_methods = [spec for spec in zoo().capabilities() if spec.output]
    for spec in image_methods:
        if has_capability(model, spec.name):
            return _MethodModule(model, spec.name), {"image": image}, spec.output
    raise UsageError(
        f"{type(model).__name__} cannot be exported as one ONNX graph: it has no "
        f"generator(z, label), translate or {' or '.join(spec.name for spec in image_methods)}"
    )


def export_onnx(model: Model, path: Path) -> OnnxExport:
    """Write the network of a model as one ONNX file with its weights; the batch size is free.

    Args:
        model: in eval mode on the CPU.

    Raises:
        UsageError: the model has no network to export, or a package is missing.
        WeightsError: torch cannot export it, or the graph computes another output.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError:
        raise UsageError(
            "ONNX needs more packages: in the checkout, pip install -e '.[onnx]'"
        ) from None
    module, inputs, output = _make_export_example(model)
    dynamic_axes = tuple({0: torch.export.Dim("batch")} for _ in inputs)
    try:
        with _suppress_output():
            program = torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=[output],
                opset_version=_OPSET_VERSION,
                dynamo=True,
                verbose=False,
                # forward(*inputs) takes one tuple
                dynamic_shapes=(dynamic_axes,)
                if isinstance(module, _MethodModule)
                else dynamic_axes,
            )
    except Exception as error:  # torch.export and the conversion raise any type
        line = next(iter(str(error).splitlines()), "")[:200]
        raise WeightsError(
            f"{type(model).__name__} cannot be exported: {type(error).__name__}: {line}"
        ) from None
    assert program is not None
    data = program.model_proto.SerializeToString()
    onnx.checker.check_model(data)
    with torch.no_grad():
        expected = module(*inputs.values())
    max_abs_error = _onnxruntime_error(data, inputs, expected)
    tolerance = 1e-3 * max(1.0, float(expected.abs().max()))
    if max_abs_error is not None and not max_abs_error <= tolerance:
        raise WeightsError(
            f"the ONNX graph differs from the model by {max_abs_error:.3g}: {path} is not written"
        )
    with atomic_path(path) as part:
        part.write_bytes(data)
    input_shapes = {name: ("batch", *tensor.shape[1:]) for name, tensor in inputs.items()}
    return OnnxExport(path, input_shapes, output, max_abs_error)


def _onnxruntime_error(data: bytes, inputs: dict[str, Tensor], expected: Tensor) -> float | None:
    """Return the largest difference of onnxruntime's output, or None without onnxruntime."""
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    actual = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})[0]
    return float((torch.from_numpy(actual) - expected).abs().max())


@contextlib.contextmanager
def _suppress_output() -> Iterator[None]:
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
