"""Ordered classes: the bin of a value, and the expectation over classes that are numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def bin_index(values: Tensor, upper_edges: Sequence[int]) -> Tensor:
    """Return the bin of each value, int64 of the shape of `values`.

    Args:
        values: a fraction does not count: 30.9 is in the bin of 30.
        upper_edges: the last whole value of each bin but the last, in ascending order.
    """
    edges = torch.tensor(upper_edges, device=values.device, dtype=torch.float32)
    return torch.bucketize(values.float().floor(), edges)


def expected_index(logits: Tensor) -> Tensor:
    """Return the expectation [N] of the class number from logits [N, K], in float32 or float64.

    Paper: DEX (Rothe, Timofte and Van Gool 2018, doi 10.1007/s11263-016-0940-3).
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    class_numbers = torch.arange(logits.shape[1], dtype=dtype, device=logits.device)
    return logits.to(dtype).softmax(1) @ class_numbers
