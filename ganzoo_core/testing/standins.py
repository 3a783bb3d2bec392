"""A judge that learned nothing: it has every method of a judge, and gradients flow through it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, normalize

AGES = 101


class StandIn(nn.Module):
    """Serves the roles identity and age in checks and tests; takes images of any size."""

    input_size = 16

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 16, 1))
        self.age = nn.Linear(16 * 16, AGES)

    def features(self, image: Tensor) -> Tensor:
        """Return maps [N, 16, 4, 4] of images [N, C, H, W] in [-1, 1]."""
        image = image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image
        maps: Tensor = self.layers(adaptive_avg_pool2d(image, 16))
        return maps

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors [N, 256]."""
        return normalize(self.features(image).flatten(1))

    def age_logits(self, image: Tensor) -> Tensor:
        """Return logits [N, 101] over ages."""
        logits: Tensor = self.age(self.features(image).flatten(1))
        return logits

    def estimate_age(self, image: Tensor) -> Tensor:
        """Return expected ages [N]."""
        years = torch.arange(AGES, dtype=torch.float32, device=image.device)
        return self.age_logits(image).softmax(1) @ years
