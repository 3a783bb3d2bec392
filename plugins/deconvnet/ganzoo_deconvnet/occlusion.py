"""Occlusion maps: how the answer of a network changes while a grey square covers a place.

Paper: Visualizing and Understanding Convolutional Networks (Zeiler and Fergus 2014,
arXiv 1311.2901), section 4.2.
"""

import torch

CHUNK = 256


@torch.no_grad()
def occlusion(score, image, patch, stride):
    """Return the score of a picture with a grey square at each place, [h, w].

    Args:
        score: images [N, C, S, S] in [-1, 1] to numbers [N].
        image: [C, S, S]. patch: edge of the square, in pixels. stride: pixels between places.
    """
    size = image.shape[1]
    corners = range(0, max(size - patch, 0) + 1, stride)
    places = [(y, x) for y in corners for x in corners]
    covered = image.repeat(len(places), 1, 1, 1)
    for row, (y, x) in zip(covered, places, strict=True):
        row[:, y : y + patch, x : x + patch] = 0
    found = torch.cat([score(part) for part in covered.split(CHUNK)])
    return found.view(len(corners), len(corners))
