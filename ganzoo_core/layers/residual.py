"""The residual blocks of SNGAN and BigGAN.

Papers: Spectral Normalization for Generative Adversarial Networks (Miyato et al. 2018, arXiv
1802.05957); Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock, Donahue and
Simonyan 2019, arXiv 1809.11096).

Shapes: N batch, V channels, S image size, h x w maps.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from ganzoo_core.layers.channels import channels_by_resolution
from ganzoo_core.layers.norms import spectral_norm


class ResidualUpBlock(nn.Module):
    """Residual block of G: norm, ReLU, upsample, conv, norm, ReLU, conv; 1x1 shortcut.

    Args:
        norm: makes a conditional norm from the number of channels; `forward` calls it with the maps
            and the condition.
    """

    def __init__(
        self, in_channels: int, out_channels: int, norm: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        self.norm1 = norm(in_channels)
        self.norm2 = norm(out_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """Return maps [N, out_channels, 2h, 2w] from maps [N, in_channels, h, w] and a condition
        for each image."""
        h = self.conv1(interpolate(relu(self.norm1(x, cond)), scale_factor=2))
        h = self.conv2(relu(self.norm2(h, cond)))
        out: Tensor = h + interpolate(self.shortcut(x), scale_factor=2)  # commutes with a 1x1 conv
        return out


class ResidualDownBlock(nn.Module):
    """Residual block of D: ReLU, conv, ReLU, conv, pool; 1x1 shortcut. Convs have spectral norm.

    Args:
        is_first: whether the input is the image, which has no ReLU before the first conv.
        downsample: whether to halve the resolution; without it, and with as many channels as
            before, the shortcut is the identity.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        is_first: bool = False,
        downsample: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = spectral_norm(nn.Conv2d(in_channels, out_channels, 3, 1, 1))
        self.conv2 = spectral_norm(nn.Conv2d(out_channels, out_channels, 3, 1, 1))
        is_identity = not downsample and in_channels == out_channels
        self.shortcut = (
            nn.Identity() if is_identity else spectral_norm(nn.Conv2d(in_channels, out_channels, 1))
        )
        self.pool = nn.AvgPool2d(2) if downsample else nn.Identity()
        self.is_first = is_first

    def forward(self, x: Tensor) -> Tensor:
        """Return maps [N, out_channels, h/2, w/2], or [N, out_channels, h, w]."""
        h = self.conv2(relu(self.conv1(x if self.is_first else relu(x))))
        out: Tensor = self.pool(h) + self.shortcut(self.pool(x))
        return out


def residual_discriminator_blocks(
    in_channels: int, base_channels: int, image_size: int
) -> nn.Sequential:
    """Return the blocks of D, from images [N, in_channels, S, S] to maps [N, V, 8, 8].

    They downsample to 8 px, then two more stay at 8 px, as for CIFAR-10 at 32 px.

    Args:
        base_channels: V, the channels up to 32 px; each doubling above has half as many.
        image_size: S, a power of two from 32 px.
    """
    channels = [in_channels, *channels_by_resolution(base_channels, image_size)[:1:-1]]
    # .. 64, 32, 16 px
    blocks = [
        ResidualDownBlock(a, b, is_first=i == 0) for i, (a, b) in enumerate(pairwise(channels))
    ]
    last = channels[-1]
    return nn.Sequential(
        *blocks, *(ResidualDownBlock(last, last, downsample=False) for _ in range(2))
    )
