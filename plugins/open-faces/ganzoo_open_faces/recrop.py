"""Crops and resizes images to another geometry of the eyes: differentiable, and deterministic on
every device.

Shapes: N batch, C channels, H and W size of the input, S size of the output.
"""

import torch


def eye_window(source, target):
    """Return the window (left, top, edge) of an image, in fractions of its edge, in which the eyes
    have the positions of another `CropGeometry`.

    Args:
        source: the geometry of the image.
        target: the geometry of the window.
    """
    edge = source.eye_distance / target.eye_distance
    return (0.5 - edge / 2, source.eye_height - edge * target.eye_height, edge)


def crop_window(image, window, size):
    """Return a window of images, resized: [N, C, S, S] from [N, C, H, W].

    Interpolation is bilinear, with a wider filter for downscaling. Outside, images are reflected.

    Args:
        image: a window exceeds it by less than its own size.
        window: left, top and edge, in fractions of the image's edges.
        size: S.
    """
    left, top, edge = window
    rows = _resampling_matrix(image.shape[2], size, top, edge, image)
    columns = _resampling_matrix(image.shape[3], size, left, edge, image)
    return rows @ image @ columns.T


def _resampling_matrix(length, size, start, edge, like):
    """Return weights [size, length]: each output pixel as a mean of input pixels."""
    factory = {"dtype": like.dtype, "device": like.device}
    centers = (torch.arange(size, **factory) + 0.5) / size
    places = (start + edge * centers) * length - 0.5
    radius = max(1.0, edge * length / size)
    pixels = torch.arange(1 - length, 2 * length - 1, **factory)
    weights = (1 - (places[:, None] - pixels).abs() / radius).clamp(min=0)
    before, inside, after = weights.split([length - 1, length, length - 1], 1)
    inside = inside.clone()
    inside[:, 1:] += before.flip(1)
    inside[:, :-1] += after.flip(1)
    return inside / inside.sum(1, keepdim=True)
