"""What a loss may see: one batch, noise, and a place to log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor

from ganzoo_core.interfaces.batch import Batch

T = TypeVar("T")
Kind = Literal["normal", "uniform", "unit"]


class Noise(Protocol):
    """Random numbers that are a function of their place in the run, so that resume is exact."""

    def __call__(self, *shape: int, kind: Kind = "normal") -> Tensor:
        """Return noise: N(0, 1), U[-1, 1) for "uniform", U[0, 1) for "unit"."""


def seed_at(*place: int | str) -> int:
    """Return a 63-bit seed for a place in the run, such as (seed, stage, round, draw, name)."""
    digest = hashlib.blake2b(repr(place).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class SeededNoise:
    """The `Noise` of a place: the n-th call there gives the same numbers every time."""

    def __init__(
        self, device: torch.device, *place: int | str, part: int = 0, parts: int = 1
    ) -> None:
        self.device = device
        self.place = place
        self.part, self.parts = part, parts
        self.calls = 0
        self.generator = torch.Generator(device)

    def __call__(self, *shape: int, kind: Kind = "normal") -> Tensor:
        """Return float32 noise; see `Noise`.

        Of a batch that is worked off in parts (ranks, micro-batches), the noise of the whole is
        drawn and this part's rows are returned: so two ranks draw what one would.
        """
        if self.parts > 1:
            whole = self.drawn((shape[0] * self.parts, *shape[1:]), kind)
            return whole[self.part * shape[0] : (self.part + 1) * shape[0]]
        return self.drawn(shape, kind)

    def drawn(self, shape: tuple[int, ...], kind: Kind) -> Tensor:
        """Return the next call's noise of a shape."""
        self.generator.manual_seed(seed_at(*self.place, self.calls))
        self.calls += 1
        if kind == "normal":
            return torch.randn(shape, generator=self.generator, device=self.device)
        unit = torch.rand(shape, generator=self.generator, device=self.device)
        return unit if kind == "unit" else unit.mul_(2).sub_(1)


class Turn(Protocol):
    """One step's view of the run; the same object serves all steps of one draw."""

    batch: Batch
    round: int
    """Of the stage, from 0."""
    seen: Tensor
    """Images seen so far, 0-d float64 on the device, so that schedules stay on the device."""

    def noise(self, *shape: int, kind: Kind = "normal") -> Tensor:
        """Return fresh noise, a function of (seed, stage, round, draw, n-th call).

        What draws from torch's own generators (dropout) repeats as well: each step seeds them.
        """

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Make a value once for all steps of this draw, such as the fakes D and G share."""

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over all ranks, with its gradient: for losses that compare
        with the mean of the whole batch."""

    def rounds(self, epochs: float) -> int:
        """Return how many rounds so many passes over the data take in this stage."""

    def restart(self, player: str) -> None:
        """Let a player forget the past: its optimiser's state goes, its average begins anew at
        the weights. For `Step.after`, where networks were initialised again."""

    def log(self, **values: Tensor) -> None:
        """Log 0-d tensors; they stay on the device until the next line of metrics.jsonl."""
