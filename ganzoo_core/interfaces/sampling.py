"""Samples of a trained model, reproducible by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.errors import UsageError, suggest
from ganzoo_core.interfaces.batch import DataInfo
from ganzoo_core.interfaces.capabilities import SupportsSampling
from ganzoo_core.interfaces.context import Rng, SeededRng

Label = int | str | Sequence[int | str] | None
SAMPLE_BATCH_SIZE = 64
"""Images generated in one pass."""


def label_index(info: DataInfo, label: int | str) -> int:
    """Return the class index of a class name or number.

    Raises:
        UsageError: there is no such class.
    """
    names = info.class_names
    if isinstance(label, str) and label in names:
        return names.index(label)
    if str(label).isdigit() and int(label) < len(names):
        return int(label)
    what = "the model has no labels" if not names else f"there is no label {label!r}."
    raise UsageError(what + suggest(str(label), names))


def label_indices(info: DataInfo, label: Label, n: int) -> Tensor | None:
    """Return class indices [n] int64; None for a model without labels.

    Without a label, the nonempty classes repeat in order.
    """
    if label is None:
        pool = info.nonempty_classes
        return torch.tensor([pool[i % len(pool)] for i in range(n)]) if pool else None
    if isinstance(label, str) or not isinstance(label, Sequence):
        label = [label] * n
    if len(label) != n:
        raise UsageError(f"{len(label)} labels for {n} images: give one, or one for each")
    return torch.tensor([label_index(info, one) for one in label])


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode, and restore the mode of every module at the end."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


class RepeatedRng:
    """An `Rng` whose row i is that of i mod `num_latents`: the same latent for many labels."""

    def __init__(self, rng: Rng, num_latents: int, start: int) -> None:
        self.rng, self.num_latents, self.start = rng, num_latents, start

    def randn(self, *shape: int) -> Tensor:
        """Return float32 samples of N(0, 1); the first axis of the shape is the batch."""
        return self._repeat(self.rng.randn(self.num_latents, *shape[1:]), shape[0])

    def rand(self, *shape: int) -> Tensor:
        """Return float32 samples of U[0, 1)."""
        return self._repeat(self.rng.rand(self.num_latents, *shape[1:]), shape[0])

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return float32 samples of U[low, high)."""
        return self._repeat(self.rng.uniform(low, high, self.num_latents, *shape[1:]), shape[0])

    def _repeat(self, values: Tensor, n: int) -> Tensor:
        rows = (self.start + torch.arange(n)) % self.num_latents
        return values[rows.to(values.device)]


class PerSeedRng:
    """An `Rng` whose row i has the numbers of a batch of one image with the seed ``seeds[i]``."""

    def __init__(self, device: torch.device, seeds: Sequence[int]) -> None:
        self.rngs = [SeededRng(device, seed, "sample", 0) for seed in seeds]

    def randn(self, *shape: int) -> Tensor:
        """Return float32 samples of N(0, 1); the first axis of the shape is the batch."""
        return torch.cat([rng.randn(1, *shape[1:]) for rng in self.rngs])

    def rand(self, *shape: int) -> Tensor:
        """Return float32 samples of U[0, 1)."""
        return torch.cat([rng.rand(1, *shape[1:]) for rng in self.rngs])

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return float32 samples of U[low, high)."""
        return torch.cat([rng.uniform(low, high, 1, *shape[1:]) for rng in self.rngs])


def _require_sampling(model: Any) -> None:
    if not isinstance(model, SupportsSampling):
        raise UsageError(f"{type(model).__name__} has no capability `sample`")


def parse_sampling_options(model: Any, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of `generate` or `translate` for sampling options; the defaults are
    left out.

    Raises:
        UsageError: the model has no such option, or the value is wrong.
    """
    if not options:
        return {}
    sampling = getattr(getattr(model, "config", None), "Sampling", None)
    if sampling is None:
        name = type(model).__name__
        raise UsageError(f"{name} has no sampling options, so no {next(iter(options))!r}")
    return sampling.parse_changed(options)  # type: ignore[no-any-return]


@torch.no_grad()
def sample_seeds(
    model: Any, seeds: Sequence[int], label: Label = None, options: Mapping[str, Any] | None = None
) -> Iterator[Tensor]:
    """Yield one image for each seed in batches [n, C, H, W]: the image of ``sample(1, label,
    seed)``, up to rounding.

    Args:
        model: with the capability `sample`.
        seeds: of the images.
        label: a label, or one for each image; None: the nonempty classes in order of the seeds.
        options: the sampling options.

    Raises:
        UsageError: as `Model.sample`.
    """
    _require_sampling(model)
    keywords = parse_sampling_options(model, options)
    info: DataInfo = model.info
    if label is None and (pool := info.nonempty_classes):
        label = [pool[seed % len(pool)] for seed in seeds]
    labels = label_indices(info, label, len(seeds))
    device = next(model.parameters()).device
    with eval_mode(model):
        for start in range(0, len(seeds), SAMPLE_BATCH_SIZE):
            rows = seeds[start : start + SAMPLE_BATCH_SIZE]
            chunk = None if labels is None else labels[start : start + len(rows)].to(device)
            rng = PerSeedRng(device, rows)
            yield model.generate(len(rows), chunk, rng, **keywords).float().cpu()


@torch.no_grad()
def sample_batches(
    model: Any,
    n: int,
    label: Label = None,
    seed: int = 0,
    num_latents: int | None = None,
    *,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Tensor]:
    """Yield the n images of `sample` in batches, so that memory does not grow with n."""
    _require_sampling(model)
    keywords = parse_sampling_options(model, options)
    labels = label_indices(model.info, label, n)
    device = next(model.parameters()).device
    with eval_mode(model):
        for start in range(0, n, SAMPLE_BATCH_SIZE):
            rows = slice(start, min(start + SAMPLE_BATCH_SIZE, n))
            rng: Rng = SeededRng(device, seed, "sample", 0 if num_latents else start)
            rng = RepeatedRng(rng, num_latents, start) if num_latents else rng
            chunk = None if labels is None else labels[rows].to(device)
            yield model.generate(rows.stop - rows.start, chunk, rng, **keywords).float().cpu()


def sample(
    model: Any,
    n: int,
    label: Label = None,
    seed: int = 0,
    num_latents: int | None = None,
    *,
    options: Mapping[str, Any] | None = None,
) -> Tensor:
    """Return n images; see `Model.sample`.

    Args:
        num_latents: number of different latents; image i uses latent i mod `num_latents`.
        options: the sampling options.
    """
    out = list(sample_batches(model, n, label, seed, num_latents, options=options))
    return torch.cat(out).contiguous() if out else torch.empty(0)
