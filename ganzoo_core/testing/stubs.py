"""An untrained auxiliary network for the role identity."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, normalize


class StubAuxiliary(nn.Module):
    """Untrained network for the role identity, for images of any size. Differentiable."""

    input_size = 16

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 16, 1))

    def features(self, image: Tensor) -> Tensor:
        """Return feature maps [N, 16, 4, 4] from images [N, C, H, W] in [-1, 1]."""
        image = image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image
        maps: Tensor = self.layers(adaptive_avg_pool2d(image, 16))
        return maps

    def embed(self, image: Tensor) -> Tensor:
        """Return unit vectors [N, 256]."""
        return normalize(self.features(image).flatten(1))
