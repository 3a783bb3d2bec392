"""Maxout units (Goodfellow et al. 2013, arXiv 1302.4389)."""

from __future__ import annotations

from torch import Tensor, nn


class Maxout(nn.Module):
    """Each unit is the maximum of its linear pieces."""

    def __init__(self, in_features: int, out_features: int, num_pieces: int) -> None:
        super().__init__()
        self.linear, self.num_pieces = nn.Linear(in_features, out_features * num_pieces), num_pieces

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, out_features] from [N, in_features]."""
        pieces: Tensor = self.linear(x).unflatten(1, (-1, self.num_pieces))
        return pieces.amax(2)
