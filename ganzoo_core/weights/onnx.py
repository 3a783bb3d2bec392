"""Export for the world without ganzoo: ONNX, checked against the model."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ganzoo_core.errors import UsageError, WeightsError
from ganzoo_core.files import atomic
from ganzoo_core.interfaces import Embeds, EstimatesAge, Generator, Model, SeededNoise, Translates

OPSET = 18
BATCH = 2
"""Of the example; the graph takes any number."""


@dataclass(frozen=True)
class Exported:
    """An ONNX file and how it is called."""

    path: Path
    inputs: dict[str, tuple[int | str, ...]]
    output: str
    difference: float | None
    """Largest difference from the model's own output under onnxruntime; None if not installed."""


class Call(nn.Module):
    """One method of a model as a module's forward."""

    def __init__(self, model: nn.Module, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *inputs: Tensor) -> Tensor:
        """Call the method."""
        out: Tensor = getattr(self.model, self.method)(*inputs)
        return out


def example(model: Model) -> tuple[nn.Module, dict[str, Tensor], str]:
    """Return what to export of a model, example inputs by name, and the output's name.

    Raises:
        UsageError: it has nothing that one graph can be.
    """
    info = model.info
    noise = SeededNoise(torch.device("cpu"), 0, "onnx", 0)
    image = noise(BATCH, info.channels, info.size, info.size, kind="uniform")
    label = torch.arange(BATCH) % max(len(info.classes), 1)
    generator = getattr(model, "generator", None)
    if isinstance(generator, Generator):
        inputs = {"z": generator.latent(noise, BATCH)}
        inputs |= {"label": label} if getattr(model, "conditional", False) else {}
        return generator, inputs, "image"
    if isinstance(model, Translates):
        return Call(model, "translate"), {"image": image, "label": label}, "translated"
    if isinstance(model, Embeds):
        return Call(model, "embed"), {"image": image}, "embedding"
    if isinstance(model, EstimatesAge):
        return Call(model, "estimate_age"), {"image": image}, "age"
    raise UsageError(
        f"{type(model).__name__} has no generator(z, label), translate, embed or estimate_age: "
        "nothing that one ONNX graph can be"
    )


def to_onnx(model: Model, path: Path) -> Exported:
    """Write a model's network as ONNX with its weights inside; the batch is free.

    Args:
        model: in eval mode on the CPU.

    Raises:
        UsageError: nothing to export, or the packages are missing.
        WeightsError: torch cannot export it, or the file computes something else.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError:
        raise UsageError("ONNX needs more packages: pip install 'ganzoo-core[onnx]'") from None
    module, inputs, output = example(model)
    names, batch = list(inputs), torch.export.Dim("batch")
    try:
        with quiet():
            program = torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                input_names=names,
                output_names=[output],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
                dynamic_shapes=shapes(module, len(names), batch),
            )
    except Exception as error:  # torch.export and the translation raise anything
        line = next(iter(str(error).splitlines()), "")[:200]
        raise WeightsError(
            f"{type(model).__name__} cannot be exported: {type(error).__name__}: {line}"
        ) from None
    assert program is not None
    data = program.model_proto.SerializeToString()
    onnx.checker.check_model(data)
    with torch.no_grad():
        wanted = module(*inputs.values())
    difference = run_apart(data, inputs, wanted)
    if difference is not None and not difference <= 1e-3 * max(1.0, float(wanted.abs().max())):
        raise WeightsError(
            f"the ONNX graph differs from the model by {difference:.3g}: not written"
        )
    with atomic(path) as part:
        part.write_bytes(data)
    shown = {n: ("batch", *t.shape[1:]) for n, t in inputs.items()}
    return Exported(path, shown, output, difference)


def shapes(module: nn.Module, count: int, batch: object) -> tuple[object, ...]:
    """Return the free axes of the inputs, the way the module's forward takes them."""
    free = tuple({0: batch} for _ in range(count))
    return (free,) if isinstance(module, Call) else free


def run_apart(data: bytes, inputs: dict[str, Tensor], wanted: Tensor) -> float | None:
    """Return the largest difference of onnxruntime's output; None where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})[0]
    return float((torch.from_numpy(found) - wanted).abs().max())


@contextlib.contextmanager
def quiet():  # type: ignore[no-untyped-def]
    """Silence the exporter's talk."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
