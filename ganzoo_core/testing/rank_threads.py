"""Ranks of a distributed run as threads of one process, for checks of what must agree on all of
them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from ganzoo_core.engine.world import World
from ganzoo_core.errors import RankLostError

T = TypeVar("T")


def run_ranks(work: Callable[[World], T], size: int = 2) -> list[T]:
    """Call a function once for each rank, each in a thread; return the results in rank order.

    The threads take turns: one runs until it communicates, so that each has the state of torch's
    generators to itself. An error of a rank ends all of them and is raised here.
    """
    exchange = _Exchange(size)
    results: list[Any] = [None] * size

    def run(rank: int) -> None:
        try:
            exchange.wait_for_turn(rank)
            results[rank] = work(_ThreadWorld(rank, size, exchange))
        except BaseException as error:
            exchange.errors.append(error)
        finally:
            exchange.leave(rank)

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    with torch.random.fork_rng(devices=[]):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if exchange.errors:
        raise exchange.errors[0]
    return results


class _Exchange:
    """Hands values from rank to rank, and the turn with them."""

    def __init__(self, size: int) -> None:
        self.size, self.turn = size, 0
        self.values: dict[tuple[int, int], Any] = {}
        """By the number of the exchange and the rank."""
        self.counts = [0] * size
        self.errors: list[BaseException] = []
        self.active = [True] * size
        self.changed = threading.Condition()

    def wait_for_turn(self, rank: int) -> None:
        """Wait until the other ranks communicate or end."""
        with self.changed:
            self.changed.wait_for(lambda: self.turn == rank)

    def __call__(self, rank: int, value: Any) -> list[Any]:
        """Return the values of all ranks in this exchange.

        Raises:
            RankLostError: another rank ended before it.
        """
        number = self.counts[rank]
        self.counts[rank] += 1
        self.values[number, rank] = value
        rng_state = torch.get_rng_state()
        self._pass_turn(rank)
        self.wait_for_turn(rank)
        torch.set_rng_state(rng_state)
        keys = [(number, other) for other in range(self.size)]
        if any(key not in self.values for key in keys):
            raise RankLostError("the ranks do not communicate the same number of times")
        found = [self.values[key] for key in keys]
        self.values.pop((number - 1, rank), None)  # the others have read it
        return found

    def leave(self, rank: int) -> None:
        """End a rank."""
        self.active[rank] = False
        self._pass_turn(rank)

    def _pass_turn(self, rank: int) -> None:
        with self.changed:
            following = [(rank + i) % self.size for i in range(1, self.size + 1)]
            self.turn = next((other for other in following if self.active[other]), -1)
            self.changed.notify_all()


@dataclass(frozen=True)
class _ThreadWorld(World):
    """A rank that is a thread."""

    exchange: _Exchange = field(default_factory=lambda: _Exchange(1))

    def barrier(self) -> None:
        self.exchange(self.rank, None)

    def broadcast_object(self, value: Any) -> Any:
        return self.exchange(self.rank, value)[0]

    def _sum_(self, tensor: Tensor) -> None:
        tensor.copy_(torch.stack(self._all_gather(tensor)).sum(0))

    def _broadcast_(self, tensor: Tensor) -> None:
        tensor.copy_(self._all_gather(tensor)[0])

    def _all_gather(self, tensor: Tensor) -> list[Tensor]:
        return self.exchange(self.rank, tensor.detach().clone())
