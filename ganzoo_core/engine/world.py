"""The ranks of a distributed run: one writer, one flattened all-reduce a step.

Models call their networks directly, which the DDP wrapper does not see: ranks would drift apart
without an error. So gradients are reduced here, after backward, for whichever player stepped.
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

from ganzoo_core.errors import RankLost, UsageError

PATIENCE = datetime.timedelta(minutes=30)
"""How long a rank waits for the others, who may be decoding data."""


@dataclass(frozen=True)
class World:
    """This process among its ranks; alone, every method does nothing at no cost."""

    rank: int = 0
    size: int = 1

    @property
    def main(self) -> bool:
        """Whether this rank writes."""
        return self.rank == 0

    @staticmethod
    def announced() -> World:
        """Return the ranks that torchrun (or Slurm through it) announces in the environment;
        without such an announcement the process is alone."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        return (
            World(int(os.environ["RANK"]), size) if size > 1 and "RANK" in os.environ else World()
        )

    @staticmethod
    def join(device: torch.device) -> World:
        """Join the announced ranks: NCCL for what lies on GPUs, gloo for what lies on CPUs."""
        world = World.announced()
        if world.size > 1 and not dist.is_initialized():
            if device.type == "cuda":
                torch.cuda.set_device(device)
            with listening():
                backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
                dist.init_process_group(backend, timeout=PATIENCE)
        return world

    def leave(self) -> None:
        """Leave the ranks."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Average tensors over the ranks, in place, in one message a dtype."""
        if self.size < 2:
            return
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):  # in the same order
            same = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.reshape(-1) for tensor in same])
            with listening():
                dist.all_reduce(flat)
            flat /= self.size
            for tensor, part in zip(
                same, torch.split(flat, [t.numel() for t in same]), strict=True
            ):
                tensor.copy_(part.view(tensor.shape))

    def align_(self, tensors: Sequence[Tensor]) -> None:
        """Give every rank the tensors of rank 0, in place."""
        if self.size < 2:
            return
        with listening():
            for tensor in tensors:
                whole = tensor.contiguous()
                dist.broadcast(whole, 0)
                tensor.copy_(whole)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over the ranks; gradients flow back to each rank's share."""
        if self.size < 2:
            return value
        total: Tensor = _Sum.apply(value)
        return total / self.size

    def any(self, flag: bool) -> bool:
        """Tell whether any rank raises a flag, so that all of them stop in the same round.

        By gloo: the ranks wait for one another, none for its GPU.
        """
        if self.size < 2:
            return flag
        raised = torch.tensor([float(flag)])
        with listening():
            dist.all_reduce(raised, dist.ReduceOp.MAX)
        return bool(raised.item())

    def all(self, flag: Tensor) -> Tensor:
        """Return whether every rank says yes, 0-d bool; ranks that differed would drift apart."""
        return flag if self.size < 2 else self.mean(flag.float()) == 1

    def share(self, value: Any) -> Any:
        """Return rank 0's value on every rank."""
        if self.size < 2:
            return value
        box = [value]
        with listening():
            dist.broadcast_object_list(box)
        return box[0]

    def wait(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            with listening():
                dist.barrier()

    def parts(self, batch: int, accumulate: int) -> int:
        """Return into how many equal parts a global batch falls: ranks x micro-batches.

        Raises:
            UsageError: the batch does not divide.
        """
        parts = self.size * accumulate
        if batch % parts:
            raise UsageError(
                f"train.batch = {batch} does not divide into {self.size} ranks x {accumulate} "
                f"micro-batches: choose a multiple of {parts}"
            )
        return parts


@contextmanager
def listening() -> Iterator[None]:
    """Say that a rank is gone when nothing is heard of it.

    Raises:
        RankLost: the backend's message goes with it as its cause.
    """
    try:
        yield
    except RuntimeError as error:
        raise RankLost(
            "another rank of the run died or fell silent; "
            "continue from the last checkpoint with: ganzoo resume RUN"
        ) from error


class _Sum(torch.autograd.Function):
    """All-reduce whose gradient is an all-reduce, and so on."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        out = value.detach().clone(memory_format=torch.contiguous_format)
        with listening():
            dist.all_reduce(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        out: Tensor = _Sum.apply(grad)
        return out
