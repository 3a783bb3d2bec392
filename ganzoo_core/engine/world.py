"""The ranks of a distributed run: one writer, one flattened all-reduce an update.

Models call their modules directly, which the DDP wrapper cannot intercept: the ranks would diverge
without an error. So the gradients are reduced here, after backward, for the optimizer that updates.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ganzoo_core.errors import RankLostError, UsageError

RANK_TIMEOUT = datetime.timedelta(minutes=30)
"""How long a rank waits for the others, which may be decoding data."""


@dataclass(frozen=True)
class World:
    """This process among the ranks of the run. With one rank every method is a no-op."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this rank writes files."""
        return self.rank == 0

    @staticmethod
    def from_environment() -> World:
        """Return the rank and size that torchrun (or Slurm through it) sets in the environment; a
        single process without them."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size > 1 and "RANK" in os.environ:
            return World(int(os.environ["RANK"]), size)
        return World()

    @staticmethod
    def init(device: torch.device) -> World:
        """Initialize the process group: NCCL for tensors on GPUs, gloo for tensors on CPUs."""
        world = World.from_environment()
        if world.size > 1 and not dist.is_initialized():
            if device.type == "cuda":
                torch.cuda.set_device(device)
            with raise_if_rank_lost():
                backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
                dist.init_process_group(backend, timeout=RANK_TIMEOUT)
        return world

    def destroy(self) -> None:
        """Destroy the process group."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def all_reduce_mean_(self, tensors: Sequence[Tensor]) -> None:
        """Average tensors over the ranks, in place, in one message a dtype."""
        if self.size < 2:
            return
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):  # in the same order
            same = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.reshape(-1) for tensor in same])
            self._sum_(flat)
            flat /= self.size
            parts = torch.split(flat, [tensor.numel() for tensor in same])
            for tensor, part in zip(same, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def broadcast_(self, tensors: Sequence[Tensor]) -> None:
        """Copy the tensors of rank 0 to every rank, in place."""
        if self.size < 2:
            return
        for tensor in tensors:
            contiguous = tensor.contiguous()
            self._broadcast_(contiguous)
            tensor.copy_(contiguous)

    def all_reduce_mean(self, value: Tensor) -> Tensor:
        """Return the mean over the ranks; the gradient flows back to each rank's share."""
        if self.size < 2:
            return value
        total: Tensor = _AllReduceSum.apply(self, value)
        return total / self.size

    def all_gather_rows(self, value: Tensor) -> Tensor:
        """Return the rows of all ranks in rank order, [size * N, ...], without gradient.

        Args:
            value: [N, ...], with the same N on every rank.
        """
        if self.size < 2:
            return value.detach()
        own = value.detach().contiguous()
        return torch.cat(self._all_gather(own))

    def any_rank(self, flag: bool) -> bool:
        """Return whether the flag is True on any rank, so that all of them stop in the same step.

        By gloo: the ranks wait for one another, and no rank waits for its GPU.
        """
        return self.any_of_each_rank({"": flag})[""]

    def any_of_each_rank(self, flags: dict[str, bool]) -> dict[str, bool]:
        """Return for each flag whether it is True on any rank; every rank has the same names."""
        if self.size < 2 or not flags:
            return flags
        values = torch.tensor([float(flag) for flag in flags.values()])
        self._sum_(values)
        return dict(zip(flags, (value > 0 for value in values.tolist()), strict=True))

    def all_ranks(self, flag: Tensor) -> Tensor:
        """Return whether a flag is True on all ranks, 0-d bool, so that they never diverge."""
        return flag if self.size < 2 else self.all_reduce_mean(flag.float()) == 1

    def broadcast_object(self, value: Any) -> Any:
        """Return rank 0's value on every rank."""
        if self.size < 2:
            return value
        box = [value]
        with raise_if_rank_lost():
            dist.broadcast_object_list(box)
        return box[0]

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self.size > 1:
            with raise_if_rank_lost():
                dist.barrier()

    # --- what the methods above are made of; another way to communicate overrides these -----------

    def _sum_(self, tensor: Tensor) -> None:
        """Replace a contiguous tensor by its sum over the ranks."""
        with raise_if_rank_lost():
            dist.all_reduce(tensor)

    def _broadcast_(self, tensor: Tensor) -> None:
        """Replace a contiguous tensor by that of rank 0."""
        with raise_if_rank_lost():
            dist.broadcast(tensor, 0)

    def _all_gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the contiguous tensors of all ranks, in rank order."""
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        with raise_if_rank_lost():
            dist.all_gather(parts, tensor)
        return parts

    def num_shards(self, batch_size: int, grad_accum_steps: int) -> int:
        """Return the number of equal shards of a global batch: ranks x micro-batches.

        Raises:
            UsageError: the batch size is not a multiple of it.
        """
        num_shards = self.size * grad_accum_steps
        if batch_size % num_shards:
            raise UsageError(
                f"train.batch_size = {batch_size} does not divide into {self.size} ranks x "
                f"{grad_accum_steps} micro-batches: choose a multiple of {num_shards}"
            )
        return num_shards


@contextmanager
def raise_if_rank_lost() -> Iterator[None]:
    """Convert the backend's error about a silent rank to one line.

    Raises:
        RankLostError: with the backend's message as its cause.
    """
    try:
        yield
    except RuntimeError as error:
        raise RankLostError(
            "another rank of the run died or stopped answering; "
            "continue from the last checkpoint with: ganzoo resume RUN"
        ) from error


class _AllReduceSum(torch.autograd.Function):
    """All-reduce whose gradient is an all-reduce too."""

    @staticmethod
    def forward(ctx: Any, world: World, value: Tensor) -> Tensor:
        ctx.world = world
        total = value.detach().clone(memory_format=torch.contiguous_format)
        world._sum_(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        return None, _AllReduceSum.apply(ctx.world, grad)
