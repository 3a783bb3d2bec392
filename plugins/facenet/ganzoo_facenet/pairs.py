"""Losses over the pairs and triplets of one batch.

Shapes: N photographs of P people, D length of the points; all points lie on the unit sphere.
"""

import torch
from torch.nn.functional import log_softmax, relu


def cosines(points):
    """Return <a, b> [N, N] of unit vectors [N, D], in fp32 under any autocast."""
    with torch.autocast(points.device.type, enabled=False):
        return points.float() @ points.float().T


def squared_distances(points):
    """Return |a - b|^2 [N, N] of unit vectors [N, D]; never below 0."""
    return relu(2 - 2 * cosines(points))


def relations(who):
    """Return which pairs show one person (an image with itself is no pair), and which show two."""
    same = who[:, None] == who[None]
    itself = torch.eye(len(who), dtype=torch.bool, device=who.device)
    return same & ~itself, ~same


def triplet_loss(points, who, margin=0.2, mining="semi-hard"):
    """Return [ |a - p|^2 - |a - n|^2 + margin ]+ over mined triplets, and the share that is active.

    Schroff et al. 2015, eq. 1; the report's formula lacks the hinge.

    Args:
        points: [N, D] unit vectors. who: [N], equal for one person.
        mining: `semi-hard`: for each pair of one person the nearest negative that is farther than
            the positive, or where all are nearer the farthest; `hard`: for each photograph its
            farthest positive and nearest negative (Hermans et al. 2017, arXiv 1703.07737); `all`:
            every triplet, averaged over those that violate the margin.
    """
    distance = squared_distances(points)
    positive, negative = relations(who)
    if mining == "hard":
        ap = torch.where(positive, distance, -1.0).amax(1)
        an = torch.where(negative, distance, 5.0).amin(1)
        valid = positive.any(1) & negative.any(1)
    elif mining == "semi-hard":
        ap, valid = distance, positive & negative.any(1)[:, None]
        an = semi_hard(distance, negative)
    else:
        ap, an = distance[:, :, None], distance[:, None, :]
        valid = positive[:, :, None] & negative[:, None, :]
    loss = torch.where(valid, relu(ap - an + margin), 0.0)
    active = (loss > 0).sum()
    share = active / valid.sum().clamp(min=1)
    over = active if mining == "all" else valid.sum()
    return loss.sum() / over.clamp(min=1), share


def semi_hard(distance, negative):
    """Return for each pair (a, p) the distance [N, N] from a to its semi-hard negative."""
    farther = negative[:, None, :] & (distance[:, None, :] > distance[:, :, None])  # [a, p, n]
    nearest = torch.where(farther, distance[:, None, :], 5.0).amin(2)
    farthest = torch.where(negative, distance, -1.0).amax(1, keepdim=True)
    return torch.where(farther.any(2), nearest, farthest)


def contrast_loss(points, who, temperature=0.08):
    """Return -log of the softmax share that pairs of one person have among all pairs of a point.

    Khosla et al., "Supervised Contrastive Learning", arXiv 2004.11362, eq. 2.
    """
    positive, _ = relations(who)
    itself = torch.eye(len(who), dtype=torch.bool, device=who.device)
    likeness = (cosines(points) / temperature).masked_fill(itself, -1e4)
    share = log_softmax(likeness, 1)
    return -(share * positive).sum() / positive.sum().clamp(min=1)
