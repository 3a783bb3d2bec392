"""BatchNorm whose scale and shift depend on a condition.

Paper: A Learned Representation for Artistic Style (Dumoulin, Shlens and Kudlur 2017, arXiv
1610.07629); the linear form is that of BigGAN (Brock, Donahue and Simonyan 2019, arXiv 1809.11096).

Shapes: N batch, W channels, h x w maps, K classes, A condition.
"""

from __future__ import annotations

from torch import Tensor, nn


class ConditionalBatchNorm2d(nn.Module):
    """BatchNorm with a scale and a shift for each class; plain BatchNorm without classes.

    Args:
        eps: added to the variance.
    """

    def __init__(self, num_features: int, num_classes: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features, eps=eps, affine=not num_classes)
        if num_classes:
            self.scale = nn.Embedding(num_classes, num_features)
            self.shift = nn.Embedding(num_classes, num_features)
            nn.init.ones_(self.scale.weight)
            nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Return normalized maps of the shape of x [N, W, h, w], for labels [N]."""
        x = self.norm(x)
        if self.norm.affine:
            return x
        scale: Tensor = self.scale(label)[:, :, None, None]  # [N, W, 1, 1]
        shift: Tensor = self.shift(label)[:, :, None, None]
        return scale * x + shift


class LinearConditionalBatchNorm2d(nn.Module):
    """BatchNorm whose scale and shift are linear functions of a condition.

    Args:
        eps: added to the variance.
    """

    def __init__(self, num_features: int, cond_dim: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features, eps=eps, affine=False)
        self.scale = nn.Linear(cond_dim, num_features, bias=False)
        self.shift = nn.Linear(cond_dim, num_features, bias=False)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """Return normalized maps of the shape of x [N, W, h, w], for conditions [N, A]."""
        scale: Tensor = 1 + self.scale(cond)[..., None, None]  # [N, W, 1, 1]
        shift: Tensor = self.shift(cond)[..., None, None]
        x = self.norm(x)
        return x * scale + shift
