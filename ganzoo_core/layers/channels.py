"""Channel schedules: how many maps a network has at each resolution."""

from __future__ import annotations


def num_halvings(image_size: int, final_size: int = 4) -> int:
    """Return how often `image_size` is halved down to `final_size`: 4 from 64 px to 4 px."""
    return (image_size // final_size).bit_length() - 1


def doubled_channels(
    base_channels: int, num_layers: int, max_factor: int | None = None
) -> list[int]:
    """Return W, 2W, 4W .., the schedule of DCGAN (Radford et al. 2015, arXiv 1511.06434).

    Args:
        base_channels: W.
        num_layers: the length of the list.
        max_factor: the largest multiple of W; None for no limit.
    """
    factors = [2**i for i in range(num_layers)]
    return [base_channels * min(factor, max_factor or factor) for factor in factors]


def channels_by_resolution(base_channels: int, image_size: int) -> list[int]:
    """Return the channels at 4, 8 .. S px: W up to 32 px, then halved at each doubling.

    The schedule of residual networks for CIFAR-10 (Miyato et al. 2018, arXiv 1802.05957) up to
    32 px.

    Args:
        base_channels: W.
        image_size: S, a power of two.
    """
    resolutions = [4 * 2**i for i in range(num_halvings(image_size) + 1)]
    return [base_channels * 32 // max(resolution, 32) for resolution in resolutions]
