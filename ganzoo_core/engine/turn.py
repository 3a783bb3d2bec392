"""The engine's side of a Turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from ganzoo_core.engine.setup import seed_torch
from ganzoo_core.engine.world import World
from ganzoo_core.interfaces import Batch, SeededNoise, seed_at
from ganzoo_core.interfaces.turn import Kind

T = TypeVar("T")
ALONE = World()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What all turns of a stage share."""

    seed: int
    stage: str
    seen: Tensor
    log: Log
    thaw: Callable[[], AbstractContextManager[None]] = nullcontext
    rounds: Callable[[float], int] = math.ceil
    """Turns epochs of the stage into rounds."""
    restart: Callable[[str], object] = str
    parts: int = 1
    """Ranks x micro-batches, into which a batch falls."""
    world: World = ALONE


class EngineTurn:
    """One draw as the steps see it. See `ganzoo_core.interfaces.Turn` for the contract."""

    def __init__(self, scene: Scene, batch: Batch, round: int, draw: int, part: int = 0) -> None:
        self.batch = batch
        self.round = round
        self.seen = scene.seen
        self.rounds = scene.rounds
        self._scene = scene
        self.place = (scene.seed, scene.stage, round, draw)
        self._part = f"part {part} of {scene.parts}"
        self._noise = SeededNoise(scene.seen.device, *self.place, part=part, parts=scene.parts)
        self._made: dict[str, Any] = {}
        self._first: dict[str, int] = {}
        """The noise call at which each value was made first."""

    def noise(self, *shape: int, kind: Kind = "normal") -> Tensor:
        """Return noise that belongs to this draw and this call."""
        return self._noise(*shape, kind=kind)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Make a value once a draw. All players are thawed meanwhile, so that the graph of a
        shared fake reaches the generator even when the discriminator's step makes it."""
        if name not in self._made:
            now = self._noise.calls
            self._noise.calls = self._first.setdefault(name, now)
            with self._scene.thaw(), torch.enable_grad():
                self._made[name] = make()
            self._noise.calls = max(now, self._noise.calls)
        return cast(T, self._made[name])

    def forget(self) -> None:
        """Drop what was made once, so that the next step makes it anew, from the same noise."""
        self._made = {}

    def seed(self, step: str) -> None:
        """Seed torch's own generators, which dropout draws from, for this part of the batch."""
        own = (self._part,) if self._scene.parts > 1 else ()
        seed_torch(self.seen.device, seed_at(*self.place, *own, step))

    @contextmanager
    def alike(self, step: str) -> Iterator[None]:
        """Draw the same noise on every rank for a while, from torch's own generators as well:
        weights are about to change."""
        noise = self._noise
        mine = noise.part, noise.parts
        seed_torch(self.seen.device, seed_at(*self.place, step, "after"))
        noise.part, noise.parts = 0, 1
        try:
            yield
        finally:
            noise.part, noise.parts = mine

    def restart(self, player: str) -> None:
        """Let a player forget the past."""
        self._scene.restart(player)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over the ranks."""
        return self._scene.world.mean(value)

    def log(self, **values: Tensor) -> None:
        """Note 0-d tensors for the next line of metrics.jsonl."""
        self._scene.log.add(**values)


class Log:
    """Values gathered on the device; read back once a line, never once a step."""

    def __init__(self) -> None:
        self.values: dict[str, list[Tensor]] = {}

    def add(self, **values: Tensor) -> None:
        """Take 0-d tensors."""
        for name, value in values.items():
            # a copy, since a model may log a buffer that it goes on changing
            self.values.setdefault(name, []).append(value.detach().to(torch.float32, copy=True))

    def means(self, world: World = ALONE) -> dict[str, float]:
        """Return the mean of each value since `clear`, over all ranks; one synchronisation."""
        if not self.values:
            return {}
        world.mean_([value for values in self.values.values() for value in values])
        stacked = torch.stack([torch.stack(values).mean() for values in self.values.values()])
        return dict(zip(self.values, stacked.tolist(), strict=True))

    def clear(self) -> None:
        """Begin the next line."""
        self.values = {}

    def state(self) -> dict[str, Tensor]:
        """Return the values of the line that is not written yet, ``log.d`` [n]."""
        return {f"log.{name}": torch.stack(values) for name, values in self.values.items()}

    def restore(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Take the state of `state()` back."""
        self.values = {name: list(values.to(device).unbind()) for name, values in state.items()}
