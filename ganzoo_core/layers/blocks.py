"""The convolutional blocks of DCGAN (Radford, Metz and Chintala 2015, arXiv 1511.06434).

Shapes: N batch, h x w maps.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ganzoo_core.layers.norms import NORMS


def latent_block(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """Return layers from [N, in_channels, 1, 1] to [N, out_channels, 4, 4], with BatchNorm and
    ReLU."""
    conv = nn.ConvTranspose2d(in_channels, out_channels, 4, bias=False)
    return conv, nn.BatchNorm2d(out_channels), nn.ReLU()


def upsample_block(
    in_channels: int, out_channels: int, upsample: str = "conv_transpose"
) -> tuple[nn.Module, ...]:
    """Return layers from [N, in_channels, h, w] to [N, out_channels, 2h, 2w], with BatchNorm and
    ReLU; `upsample` as in `upsample_conv`."""
    convs = upsample_conv(in_channels, out_channels, upsample)
    return *convs, nn.BatchNorm2d(out_channels), nn.ReLU()


def upsample_conv(
    in_channels: int, out_channels: int, upsample: str = "conv_transpose"
) -> tuple[nn.Module, ...]:
    """Return layers from [N, in_channels, h, w] to [N, out_channels, 2h, 2w], without a bias.

    Args:
        upsample: "conv_transpose", a 4x4 kernel with stride 2. It has separate weights for every
            second pixel, which causes checkerboard artifacts. "nearest", nearest neighbor and a
            3x3 conv, reduces them (Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard
            Artifacts").
    """
    if upsample == "nearest":
        return nn.Upsample(scale_factor=2), nn.Conv2d(
            in_channels, out_channels, 3, 1, 1, bias=False
        )
    return (nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=False),)


def downsample_block(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 4,
    norm: str | None = "batch",
    activation: Callable[[], nn.Module] = lambda: nn.LeakyReLU(0.2),
    bias: bool = False,
) -> tuple[nn.Module, ...]:
    """Return layers from [N, in_channels, h, w] to [N, out_channels, h/2, w/2]: conv, norm and
    activation.

    Args:
        kernel_size: of the conv, 4 or 5; h and w are even.
        norm: a name of `NORMS`; None: no layer between conv and activation.
        activation: makes the activation layer.
        bias: whether the conv has a bias.
    """
    padding = (kernel_size - 1) // 2
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, 2, padding, bias=bias)
    norm_layers = () if norm is None else (NORMS[norm](out_channels),)
    return conv, *norm_layers, activation()
