"""An untrained auxiliary network with all methods of the roles identity and age."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, normalize

_NUM_AGES = 101


class StubAuxiliary(nn.Module):
    """Untrained network for the roles identity and age, for images of any size. Differentiable."""

    input_size = 16

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 16, 1))
        self.age_head = nn.Linear(16 * 16, _NUM_AGES)

    def features(self, image: Tensor) -> Tensor:
        """Return feature maps [N, 16, 4, 4] from images [N, C, H, W] in [-1, 1]."""
        image = image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image
        maps: Tensor = self.layers(adaptive_avg_pool2d(image, 16))
        return maps

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors [N, 256]."""
        return normalize(self.features(image).flatten(1))

    def age_logits(self, image: Tensor) -> Tensor:
        """Return logits [N, 101] over the ages 0 to 100."""
        logits: Tensor = self.age_head(self.features(image).flatten(1))
        return logits

    def estimate_age(self, image: Tensor) -> Tensor:
        """Return expected ages [N] in years."""
        years = torch.arange(_NUM_AGES, dtype=torch.float32, device=image.device)
        return self.age_logits(image).softmax(1) @ years
