"""Differences between two pretrained folders: keys of the index, and tensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from ganzoo_core.config.overrides import flatten
from ganzoo_core.files import load_tensors
from ganzoo_core.weights.pretrained import PretrainedFolder


@dataclass(frozen=True)
class TensorDifference:
    """One tensor that differs."""

    file: str
    name: str
    kind: str
    """only in A, only in B, shape, dtype, or values."""
    max_abs: float | None = None
    """Largest absolute difference of a value."""
    relative_norm: float | None = None
    """Norm of the difference over the norm of A."""


@dataclass(frozen=True)
class PretrainedDiff:
    """All differences between two pretrained folders."""

    index: dict[str, tuple[Any, Any]]
    """Dotted key of the index -> its values in A and in B; `files` is left out."""
    tensors: tuple[TensorDifference, ...]
    num_equal: int
    """Number of tensors that are equal, bit by bit."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "index": {key: list(pair) for key, pair in self.index.items()},
            "tensors": [asdict(tensor) for tensor in self.tensors],
            "num_equal": self.num_equal,
        }


def diff_pretrained(a: PretrainedFolder, b: PretrainedFolder) -> PretrainedDiff:
    """Compare two verified pretrained folders.

    Raises:
        WeightsError: a file of tensors is damaged.
    """
    flat_a, flat_b = (
        dict(flatten({k: v for k, v in x.index.items() if k != "files"})) for x in (a, b)
    )
    index = {
        key: (flat_a.get(key), flat_b.get(key))
        for key in sorted({*flat_a, *flat_b})
        if flat_a.get(key) != flat_b.get(key)
    }
    tensor_differences, num_equal = [], 0
    for file in sorted({*a.tensor_files, *b.tensor_files}):
        tensors_a, tensors_b = (
            load_tensors(x.path / file)[0] if file in x.index["files"] else {} for x in (a, b)
        )
        for name in sorted({*tensors_a, *tensors_b}):
            difference = _diff_tensors(file, name, tensors_a.get(name), tensors_b.get(name))
            if difference:
                tensor_differences.append(difference)
            else:
                num_equal += 1
    return PretrainedDiff(index, tuple(tensor_differences), num_equal)


def _diff_tensors(
    file: str, name: str, a: Tensor | None, b: Tensor | None
) -> TensorDifference | None:
    """Return the difference of two tensors, or None if they are equal."""
    if a is None or b is None:
        return TensorDifference(file, name, "only in B" if a is None else "only in A")
    if a.shape != b.shape:
        return TensorDifference(file, name, f"shape {tuple(a.shape)} and {tuple(b.shape)}")
    if a.dtype == b.dtype and bool((a == b).all()):
        return None
    dtypes = f"dtype {a.dtype} and {b.dtype}".replace("torch.", "")
    kind = "values" if a.dtype == b.dtype else dtypes
    abs_error = (a.double() - b.double()).abs()
    max_abs = float(abs_error.max()) if abs_error.numel() else 0.0
    norm = float(a.double().norm())
    return TensorDifference(
        file, name, kind, max_abs, float(abs_error.norm()) / norm if norm else None
    )
