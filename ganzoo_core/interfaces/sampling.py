"""Images out of a trained model, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.interfaces.batch import DataInfo
from ganzoo_core.interfaces.roles import Samples
from ganzoo_core.interfaces.turn import Kind, Noise, SeededNoise

Label = int | str | Sequence[int | str] | None
CHUNK = 64
"""Images generated at a time."""


def label_index(info: DataInfo, label: int | str) -> int:
    """Return the class index of a name or number.

    Raises:
        UsageError: there is no such class.
    """
    names = info.classes
    if isinstance(label, str) and label in names:
        return names.index(label)
    if str(label).isdigit() and int(label) < len(names):
        return int(label)
    what = "the model knows no labels" if not names else f"there is no label {label!r}."
    raise UsageError(what + suggest(str(label), names))


def label_indices(info: DataInfo, label: Label, n: int) -> Tensor | None:
    """Return n class indices [n] int64; None for models of unlabelled data."""
    if label is None:
        pool = info.present
        return torch.tensor([pool[i % len(pool)] for i in range(n)]) if pool else None
    if isinstance(label, str) or not isinstance(label, Sequence):
        label = [label] * n
    if len(label) != n:
        raise UsageError(f"{len(label)} labels for {n} images: give one, or one for each")
    return torch.tensor([label_index(info, one) for one in label])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode and every module back as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


class Repeated:
    """Noise whose row i is that of i mod `distinct`: the same latent under many labels."""

    def __init__(self, noise: Noise, distinct: int, start: int) -> None:
        self.noise, self.distinct, self.start = noise, distinct, start

    def __call__(self, *shape: int, kind: Kind = "normal") -> Tensor:
        """Return noise of a shape whose first axis is the batch."""
        rows = (self.start + torch.arange(shape[0])) % self.distinct
        base = self.noise(self.distinct, *shape[1:], kind=kind)
        return base[rows.to(base.device)]


@torch.no_grad()
def chunks(
    model: Any, n: int, label: Label = None, seed: int = 0, distinct: int | None = None
) -> Iterator[Tensor]:
    """Yield the n images of `sample` a few at a time, so that memory does not grow with n."""
    if not isinstance(model, Samples):
        raise UsageError(f"{type(model).__name__} does not make images out of noise")
    labels = label_indices(model.info, label, n)  # type: ignore[attr-defined]
    device = next(model.parameters()).device  # type: ignore[attr-defined]
    with evaluating(model):  # type: ignore[arg-type]
        for start in range(0, n, CHUNK):
            rows = slice(start, min(start + CHUNK, n))
            noise: Noise = SeededNoise(device, seed, "sample", 0 if distinct else start)
            noise = Repeated(noise, distinct, start) if distinct else noise
            chunk = None if labels is None else labels[rows].to(device)
            yield model.generate(rows.stop - rows.start, chunk, noise).float().cpu()


def sample(
    model: Any, n: int, label: Label = None, seed: int = 0, distinct: int | None = None
) -> Tensor:
    """Return n images; see `Model.sample`.

    Args:
        distinct: draw only so many latents; image i gets that of i mod `distinct`.
    """
    out = list(chunks(model, n, label, seed, distinct))
    return torch.cat(out).contiguous() if out else torch.empty(0)
