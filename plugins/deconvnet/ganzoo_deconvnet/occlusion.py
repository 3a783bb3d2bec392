"""Occlusion maps: the score of a network while a gray square covers each position of an image.

Paper: Visualizing and Understanding Convolutional Networks (Zeiler and Fergus 2014,
arXiv 1311.2901), section 4.2.
"""

import torch

_BATCH_SIZE = 256


@torch.no_grad()
def occlusion_map(score_fn, image, patch_size, stride):
    """Return the score [h, w] of an image with a gray square at each position.

    Args:
        score_fn: maps images [N, C, S, S] in [-1, 1] to scores [N].
        image: [C, S, S].
        patch_size: edge of the square, in pixels.
        stride: pixels between positions.
    """
    size = image.shape[1]
    corners = range(0, max(size - patch_size, 0) + 1, stride)
    positions = [(y, x) for y in corners for x in corners]
    occluded = image.repeat(len(positions), 1, 1, 1)
    for row, (y, x) in zip(occluded, positions, strict=True):
        row[:, y : y + patch_size, x : x + patch_size] = 0
    scores = torch.cat([score_fn(part) for part in occluded.split(_BATCH_SIZE)])
    return scores.view(len(corners), len(corners))
