"""What differs between two bundles: words of the index, and weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from ganzoo_core.config.tree import flat
from ganzoo_core.files import load_tensors
from ganzoo_core.weights.bundle import Bundle


@dataclass(frozen=True)
class TensorDifference:
    """One tensor that is not the same."""

    file: str
    name: str
    what: str
    """only in A, only in B, shape, type, or values."""
    largest: float | None = None
    """Largest absolute difference of a value."""
    relative: float | None = None
    """Norm of the difference over the norm of A."""


@dataclass(frozen=True)
class Comparison:
    """All differences between two bundles."""

    index: dict[str, tuple[Any, Any]]
    """Path in the index -> its value in A and in B; hashes are left out."""
    tensors: tuple[TensorDifference, ...]
    equal: int
    """Tensors that are the same, bit by bit."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "index": {key: list(pair) for key, pair in self.index.items()},
            "tensors": [asdict(tensor) for tensor in self.tensors],
            "equal": self.equal,
        }


def compare(a: Bundle, b: Bundle) -> Comparison:
    """Compare two verified bundles.

    Raises:
        WeightsError: a file of tensors is damaged.
    """
    words = [dict(flat({k: v for k, v in x.index.items() if k != "files"})) for x in (a, b)]
    index = {
        key: (words[0].get(key), words[1].get(key))
        for key in sorted({*words[0], *words[1]})
        if words[0].get(key) != words[1].get(key)
    }
    found, equal = [], 0
    for file in sorted({*a.tensor_files, *b.tensor_files}):
        sides = [load_tensors(x.path / file)[0] if file in x.index["files"] else {} for x in (a, b)]
        for name in sorted({*sides[0], *sides[1]}):
            difference = differ(file, name, sides[0].get(name), sides[1].get(name))
            if difference:
                found.append(difference)
            else:
                equal += 1
    return Comparison(index, tuple(found), equal)


def differ(file: str, name: str, a: Tensor | None, b: Tensor | None) -> TensorDifference | None:
    """Return the difference of two tensors, or None where they are the same."""
    if a is None or b is None:
        return TensorDifference(file, name, "only in B" if a is None else "only in A")
    if a.shape != b.shape:
        return TensorDifference(file, name, f"shape {tuple(a.shape)} and {tuple(b.shape)}")
    what = "values" if a.dtype == b.dtype else f"type {a.dtype} and {b.dtype}".replace("torch.", "")
    if a.dtype == b.dtype and bool((a == b).all()):
        return None
    gap = (a.double() - b.double()).abs()
    largest = float(gap.max()) if gap.numel() else 0.0
    norm = float(a.double().norm())
    return TensorDifference(file, name, what, largest, float(gap.norm()) / norm if norm else None)
