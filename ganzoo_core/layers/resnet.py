"""Blocks of networks that classify or embed: conv with BatchNorm, and residual blocks of two.

Papers: Batch Normalization (Ioffe and Szegedy 2015, arXiv 1502.03167); Deep Residual Learning for
Image Recognition (He et al. 2016, arXiv 1512.03385), with projection shortcuts (option C).

Shapes: N batch, h x w maps.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu


def conv_bn_relu(
    in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1
) -> nn.Sequential:
    """Return layers from [N, in_channels, h, w] to [N, out_channels, h/stride, w/stride]."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU())


class ProjectionBlock(nn.Module):
    """Two convolutions and a 1x1 shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv_bn_relu(in_channels, out_channels, stride=stride)
        self.conv2 = nn.Sequential(
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False), nn.BatchNorm2d(out_channels)
        )
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps [N, out_channels, h/stride, w/stride] from [N, in_channels, h, w]."""
        return relu(self.conv2(self.conv1(x)) + self.shortcut(x))
