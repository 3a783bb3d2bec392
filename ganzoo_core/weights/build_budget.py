"""The memory that the constructor of a stored model may take: checked before it is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from ganzoo_core import limits
from ganzoo_core.errors import WeightsError


class BuildBudget(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses a constructor that makes too many or too large tensors.

    The size of each result is computed on the meta device first. Tensors on the meta device take no
    memory, so only their number counts.

    Args:
        folder: with the weights, for the message and for the bytes of its tensor files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.folder = folder
        file_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        self.bytes_left = limits.BUILD_BYTES + limits.BUILD_RATIO * file_bytes
        self.tensors_left = limits.BUILD_TENSORS

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: to skip its compiler, torch would first import it, which takes 2 s."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation whose result fits the budget."""
        kwargs = dict(kwargs or {})
        if not func._schema.is_mutable and not func.is_view:
            self.tensors_left -= 1
            self.bytes_left -= _result_bytes(func, args, kwargs)
            if self.bytes_left < 0 or self.tensors_left < 0:
                raise WeightsError(
                    f"{self.folder}: its index asks for networks that are much larger than its "
                    "weights: refused"
                )
        return func(*args, **kwargs)


def _result_bytes(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> int:
    """Return the bytes of an operation's result on a device with memory; 0 if nobody can tell."""
    device = torch.device(kwargs.get("device") or "cpu")
    tensors: list[Tensor] = []

    def to_meta(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")

    meta_args, meta_kwargs = tree_map_only(Tensor, to_meta, (args, kwargs))
    if "device" in meta_kwargs:
        meta_kwargs["device"] = torch.device("meta")
    if device.type == "meta" or any(tensor.is_meta for tensor in tensors):
        return 0
    if "generator" in meta_kwargs:
        meta_kwargs["generator"] = None
    try:
        result = func(*meta_args, **meta_kwargs)
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return 0  # the operation has no meta kernel, or will fail
    results = result if isinstance(result, tuple | list) else [result]
    return sum(t.numel() * t.element_size() for t in results if isinstance(t, Tensor))
