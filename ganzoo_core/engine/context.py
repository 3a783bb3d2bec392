"""The engine's implementation of `StepContext`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from ganzoo_core.engine.contract import check_logged_value
from ganzoo_core.engine.setup import seed_torch
from ganzoo_core.engine.world import World
from ganzoo_core.interfaces import Batch, SeededRng, derive_seed

T = TypeVar("T")
SINGLE_PROCESS = World()


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """What all step contexts of a stage share."""

    seed: int
    stage: str
    images_seen: Tensor
    log: MetricLog
    enable_all_grads: Callable[[], AbstractContextManager[None]] = nullcontext
    epochs_to_steps: Callable[[float], int] = math.ceil
    reset_optimizer: Callable[[str], object] = str
    num_shards: int = 1
    """Ranks x micro-batches into which a batch is split."""
    world: World = SINGLE_PROCESS


class EngineStepContext:
    """One batch as the phases receive it. `ganzoo_core.interfaces.StepContext` is the contract.

    Args:
        stage: what the contexts of the stage share.
        batch: this rank's micro-batch.
        step: of the stage, from 0.
        batch_index: of the batch within the step; each repetition of a phase gets a new one.
        shard: index of this rank's micro-batch in the global batch.
    """

    def __init__(
        self, stage: StageContext, batch: Batch, step: int, batch_index: int, shard: int = 0
    ) -> None:
        self.batch = batch
        self.step = step
        self.images_seen = stage.images_seen
        self.epochs_to_steps = stage.epochs_to_steps
        self.seed_path = (stage.seed, stage.stage, step, batch_index)
        self._stage = stage
        self._shard_key = f"part {shard} of {stage.num_shards}"  # hashed into seeds: never change
        self._rng = SeededRng(
            stage.images_seen.device, *self.seed_path, shard=shard, num_shards=stage.num_shards
        )
        self._cache: dict[str, Any] = {}
        self._first_call: dict[str, int] = {}
        """The index of the random call at which each cached value was first computed."""

    def randn(self, *shape: int) -> Tensor:
        """Return float32 samples of N(0, 1)."""
        return self._rng.randn(*shape)

    def rand(self, *shape: int) -> Tensor:
        """Return float32 samples of U[0, 1)."""
        return self._rng.rand(*shape)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return float32 samples of U[low, high)."""
        return self._rng.uniform(low, high, *shape)

    def cached(self, name: str, make: Callable[[], T]) -> T:
        """Compute a value once for this batch. All parameters require gradients meanwhile, so that
        the graph of a shared fake reaches the generator even when the phase of the discriminator
        computes it."""
        if name not in self._cache:
            calls = self._rng.calls
            self._rng.calls = self._first_call.setdefault(name, calls)
            with self._stage.enable_all_grads(), torch.enable_grad():
                self._cache[name] = make()
            self._rng.calls = max(calls, self._rng.calls)
        return cast(T, self._cache[name])

    def clear_cache(self) -> None:
        """Drop the cached values. The next phase computes them again from the same numbers."""
        self._cache = {}

    def seed_torch_for(self, phase: str) -> None:
        """Seed the generators of torch itself, which dropout uses, for this shard and phase."""
        shard_key = (self._shard_key,) if self._stage.num_shards > 1 else ()
        seed_torch(self.images_seen.device, derive_seed(*self.seed_path, *shard_key, phase))

    @contextmanager
    def same_on_all_ranks(self, phase: str) -> Iterator[None]:
        """Generate the same numbers on every rank, by this context and by torch itself, for code
        that changes weights."""
        rng = self._rng
        own_shard = rng.shard, rng.num_shards
        seed_torch(self.images_seen.device, derive_seed(*self.seed_path, phase, "after"))
        rng.shard, rng.num_shards = 0, 1
        try:
            yield
        finally:
            rng.shard, rng.num_shards = own_shard

    def all_reduce_mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over all ranks, with its gradient."""
        return self._stage.world.all_reduce_mean(value)

    def all_gather_rows(self, value: Tensor) -> Tensor:
        """Return the rows [N, ...] of all ranks in rank order, without gradient."""
        return self._stage.world.all_gather_rows(value)

    def reset_optimizer(self, name: str) -> None:
        """Clear the state of an optimizer and copy the weights into its moving average."""
        self._stage.reset_optimizer(name)

    def log(self, values: Mapping[str, Tensor] | None = None, /, **named: Tensor) -> None:
        """Add 0-d tensors to the next line of metrics.jsonl."""
        self._stage.log.add({**(values or {}), **named})


class MetricLog:
    """Logged values, kept on the device and read back once a line."""

    def __init__(self) -> None:
        self.values: dict[str, list[Tensor]] = {}
        self._order: list[tuple[str, int]] = []
        """The key and index of each value in the order of `add`, but of those that were loaded."""

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add 0-d tensors."""
        for name, value in values.items():
            check_logged_value(name, value)
            # a copy, since a model may log a buffer that it changes later
            listed = self.values.setdefault(name, [])
            self._order.append((name, len(listed)))
            listed.append(value.detach().to(torch.float32, copy=True))

    def means(self, world: World = SINGLE_PROCESS) -> dict[str, float]:
        """Return the mean of each value since `clear`, over all ranks; one synchronization."""
        if not self.values:
            return {}
        world.all_reduce_mean_([value for values in self.values.values() for value in values])
        stacked = torch.stack([torch.stack(values).mean() for values in self.values.values()])
        return dict(zip(self.values, stacked.tolist(), strict=True))

    def first_nonfinite(self) -> str:
        """Return the key of the first loss since `clear` that is not finite, or of the first other
        value if every loss is finite; the values that were loaded come first."""
        finite = {n: torch.stack(values).isfinite().tolist() for n, values in self.values.items()}
        ordered = set(self._order)
        keys = [(n, i) for n, flags in finite.items() for i in range(len(flags))]
        keys = [key for key in keys if key not in ordered] + self._order
        names = [name for name, index in keys if not finite[name][index]]
        return next((name for name in names if name.startswith("loss/")), names[0])

    def clear(self) -> None:
        """Start the next line."""
        self.values, self._order = {}, []

    def state_dict(self) -> dict[str, Tensor]:
        """Return the values of the line that is not written yet, ``log.loss/d`` [n]."""
        return {f"log.{name}": torch.stack(values) for name, values in self.values.items()}

    def load_state_dict(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Load what `state_dict` returned."""
        self.values = {name: list(values.to(device).unbind()) for name, values in state.items()}
        self._order = []
