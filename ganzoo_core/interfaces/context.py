"""What a loss receives: one batch, random numbers, and a log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ganzoo_core.interfaces.batch import Batch

T = TypeVar("T")


class Rng(Protocol):
    """Random numbers that are a function of their place in the run, so that resume is exact."""

    def randn(self, *shape: int) -> Tensor:
        """Return float32 samples of N(0, 1)."""

    def rand(self, *shape: int) -> Tensor:
        """Return float32 samples of U[0, 1)."""

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return float32 samples of U[low, high)."""


def derive_seed(*path: int | str) -> int:
    """Return a 63-bit seed for a place in the run, such as (seed, stage, step, draw, name)."""
    digest = hashlib.blake2b(repr(path).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class SeededRng:
    """The `Rng` of one seed path: the n-th call returns the same numbers every time.

    Args:
        device: where the numbers are generated.
        path: the seed path, see `derive_seed`.
        shard: index of the rows to return of a batch that is split over ranks and micro-batches.
        num_shards: number of equal parts of the batch. The numbers of the whole batch are
            generated and the rows of this shard are returned, so two ranks see what one would.
    """

    def __init__(
        self, device: torch.device, *path: int | str, shard: int = 0, num_shards: int = 1
    ) -> None:
        self.device = device
        self.path = path
        self.shard, self.num_shards = shard, num_shards
        self.calls = 0
        self.generator = torch.Generator(device)

    def randn(self, *shape: int) -> Tensor:
        """Return float32 samples of N(0, 1)."""
        return self._draw(torch.randn, shape)

    def rand(self, *shape: int) -> Tensor:
        """Return float32 samples of U[0, 1)."""
        return self._draw(torch.rand, shape)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return float32 samples of U[low, high)."""
        return self.rand(*shape).mul_(high - low).add_(low)

    def _draw(self, sample: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        self.generator.manual_seed(derive_seed(*self.path, self.calls))
        self.calls += 1
        global_shape = (shape[0] * self.num_shards, *shape[1:]) if self.num_shards > 1 else shape
        values = sample(global_shape, generator=self.generator, device=self.device)
        if self.num_shards > 1:
            values = values[self.shard * shape[0] : (self.shard + 1) * shape[0]]
        return values


class StepContext(Rng, Protocol):
    """What one phase of a training step receives. All phases of a batch share one context.

    It is an `Rng`: its numbers are a function of (seed, stage, step, draw, n-th call). The
    generators of torch itself (dropout) are seeded before each phase, so they repeat as well.
    """

    batch: Batch
    step: int
    """Of the stage, from 0."""
    images_seen: Tensor
    """Images of the run so far, 0-d float64 on the device, so that schedules stay on the device."""

    def cached(self, name: str, make: Callable[[], T]) -> T:
        """Compute a value once for all phases of this batch, such as the fakes of D and G."""

    def all_reduce_mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over all ranks, with its gradient: for losses that compare
        with the mean of the global batch."""

    def all_gather_rows(self, value: Tensor) -> Tensor:
        """Return the rows of all ranks, in rank order: [N, ...] becomes [ranks * N, ...].

        N is the same on every rank. No gradient flows back. Use it to update buffers that must be
        equal on all ranks, such as a pool of former fakes; with one rank it returns the values
        themselves, detached."""

    def epochs_to_steps(self, epochs: float) -> int:
        """Return the number of steps that so many epochs take in this stage."""

    def reset_optimizer(self, name: str) -> None:
        """Clear the state of an optimizer and copy the weights into its moving average.
        For `Phase.after_step`, after networks were initialized again."""

    def log(self, values: Mapping[str, Tensor] | None = None, /, **named: Tensor) -> None:
        """Log 0-d tensors by key, such as ``ctx.log({"logits/real": logits.mean()})``. They stay
        on the device until the next line of metrics.jsonl."""
