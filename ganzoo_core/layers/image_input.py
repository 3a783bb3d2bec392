"""What a classifying network does to the images that it receives."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate


def resize_to_rgb(image: Tensor, image_size: int) -> Tensor:
    """Return images [N, 3, S, S] from [N, C, H, W]: resized, and gray ones repeated over three
    channels."""
    size = (image_size, image_size)
    if image.shape[2:] != size:
        image = interpolate(image, size, mode="bilinear", antialias=True)
    return image if image.shape[1] == 3 else image.expand(-1, 3, -1, -1)


def standardize_images(image: Tensor) -> Tensor:
    """Return each image [C, H, W] of [N, C, H, W] with mean 0 and standard deviation 1, in float32;
    constant images become 0.

    The result does not depend on exposure and contrast.
    """
    image = image.float()
    centered = image - image.mean((1, 2, 3), keepdim=True)
    variance = centered.square().mean((1, 2, 3), keepdim=True)  # image.std is six times slower
    return centered / ((variance + 1e-12).sqrt() + 0.05)  # the gradient of sqrt is infinite at 0
