"""Roofline: the minimum time of the operations of a step, one after the other.

For each operation it takes the larger of FLOPs / measured peak of a matrix product and bytes /
measured bandwidth of a copy, and sums (Williams et al. 2009, "Roofline"). Fusion and caches can be
faster, so a share above 1 is possible, mostly on a CPU.
"""

import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

MATRIX_SIZE, COPY_BYTES, REPEATS = {"cpu": 2048, "cuda": 8192}, {"cpu": 2**27, "cuda": 2**30}, 5


class _CountFlopsAndBytes(TorchDispatchMode):
    """Records FLOPs and bytes of each operation that is not a view."""

    def __init__(self):
        super().__init__()
        self.flops_and_bytes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        inputs = [t for t in tree_leaves((args, kwargs or {})) if isinstance(t, torch.Tensor)]
        outputs = [t for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        input_storages = {t.untyped_storage().data_ptr() for t in inputs}
        is_view = bool(outputs) and all(
            t.untyped_storage().data_ptr() in input_storages for t in outputs
        )
        if func._schema.is_mutable or not is_view:
            count = flop_registry.get(func._overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=out) if count else 0
            self.flops_and_bytes.append(
                (flops, sum(t.numel() * t.element_size() for t in (*inputs, *outputs)))
            )
        return out


class Roofline:
    """The measured limits of a device."""

    def __init__(self, device, dtype):
        self.device = device
        edge = MATRIX_SIZE[device.type]
        a = torch.rand(edge, edge, device=device).to(dtype)
        source = torch.zeros(COPY_BYTES[device.type], dtype=torch.uint8, device=device)
        target = torch.ones_like(source)
        self.peak_flops = 2 * edge**3 / self._min_time(lambda: a @ a)
        self.bandwidth = 2 * source.numel() / self._min_time(lambda: target.copy_(source))

    def _min_time(self, function):
        """Return the minimum time of a few calls, in seconds."""
        times = []
        for _ in range(REPEATS + 1):
            self.synchronize()
            start = time.perf_counter()
            function()
            self.synchronize()
            times.append(time.perf_counter() - start)
        return min(times)

    def synchronize(self):
        """Wait for the GPU."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def min_step_seconds(self, step):
        """Return the minimum time of a step, in seconds."""
        with _CountFlopsAndBytes() as operations:
            step()
        return sum(
            max(w / self.peak_flops, b / self.bandwidth) for w, b in operations.flops_and_bytes
        )
