"""The least time in which a device could do the operations of a step, one after the other.

Of each operation, the larger of its floating-point work over the measured peak of a matrix product
and its bytes over the measured bandwidth of a copy, summed (Williams et al. 2009, "Roofline").
Fusion and caches go below it: a share above 1 is possible, most of all on a CPU.
"""

import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

EDGE, BYTES, TRIES = {"cpu": 2048, "cuda": 8192}, {"cpu": 2**27, "cuda": 2**30}, 5


class Operations(TorchDispatchMode):
    """Notes the work and the bytes of each operation that is not a mere view."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        read = [t for t in tree_leaves((args, kwargs or {})) if isinstance(t, torch.Tensor)]
        made = [t for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        known = {t.untyped_storage().data_ptr() for t in read}
        view = bool(made) and all(t.untyped_storage().data_ptr() in known for t in made)
        if func._schema.is_mutable or not view:
            count = flop_registry.get(func._overloadpacket)
            work = count(*args, **(kwargs or {}), out_val=out) if count else 0
            self.seen.append((work, sum(t.numel() * t.element_size() for t in (*read, *made))))
        return out


class Roofline:
    """The measured limits of a device."""

    def __init__(self, device, dtype):
        self.device = device
        edge = EDGE[device.type]
        a = torch.rand(edge, edge, device=device).to(dtype)
        source = torch.zeros(BYTES[device.type], dtype=torch.uint8, device=device)
        target = torch.ones_like(source)
        self.peak = 2 * edge**3 / self.fastest(lambda: a @ a)
        self.bandwidth = 2 * source.numel() / self.fastest(lambda: target.copy_(source))

    def fastest(self, work):
        """Return the least seconds of a few tries."""
        times = []
        for _ in range(TRIES + 1):
            self.wait()
            begun = time.perf_counter()
            work()
            self.wait()
            times.append(time.perf_counter() - begun)
        return min(times)

    def wait(self):
        """Wait for the GPU."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, step):
        """Return the least seconds of a step."""
        with Operations() as operations:
            step()
        return sum(max(w / self.peak, b / self.bandwidth) for w, b in operations.seen)
