"""Losses over the pairs and triplets of one batch.

Shapes: N photographs, D embedding length; embeddings have unit length.
"""

import torch
from torch.nn.functional import log_softmax, relu


def _pairwise_cosine(embeddings):
    with torch.autocast(embeddings.device.type, enabled=False):  # always fp32
        return embeddings.float() @ embeddings.float().T


def _pair_masks(identities):
    """Return the masks [N, N] of positive pairs, without an image and itself, and of negatives."""
    is_same = identities[:, None] == identities[None]
    is_self = torch.eye(len(identities), dtype=torch.bool, device=identities.device)
    return is_same & ~is_self, ~is_same


def triplet_loss(embeddings, identities, margin=0.2, mining="semi-hard"):
    """Return the mean of [ |a - p|^2 - |a - n|^2 + margin ]+ over mined triplets, 0-d, and the
    fraction of triplets that are active, 0-d.

    Schroff et al. 2015, eq. 1; the formula of the report lacks the hinge.

    Args:
        embeddings: [N, D] unit vectors.
        identities: [N], equal for photographs of one person.
        margin: the minimum gap between the two squared distances.
        mining: `semi-hard`: for each positive pair the nearest negative that is farther than the
            positive, or the farthest negative if all are nearer; `hard`: for each photograph its
            farthest positive and nearest negative (Hermans et al. 2017, arXiv 1703.07737); `all`:
            every triplet, averaged over those that violate the margin.
    """
    distance = relu(2 - 2 * _pairwise_cosine(embeddings))  # |a - b|^2 of unit vectors
    positive, negative = _pair_masks(identities)
    if mining == "hard":
        anchor_positive = torch.where(positive, distance, -1.0).amax(1)
        anchor_negative = torch.where(negative, distance, 5.0).amin(1)
        valid = positive.any(1) & negative.any(1)
    elif mining == "semi-hard":
        anchor_positive, valid = distance, positive & negative.any(1)[:, None]
        anchor_negative = _semi_hard_negative_distance(distance, negative)
    else:
        anchor_positive, anchor_negative = distance[:, :, None], distance[:, None, :]
        valid = positive[:, :, None] & negative[:, None, :]
    loss = torch.where(valid, relu(anchor_positive - anchor_negative + margin), 0.0)
    active = (loss > 0).sum()
    active_fraction = active / valid.sum().clamp(min=1)
    normalizer = active if mining == "all" else valid.sum()
    return loss.sum() / normalizer.clamp(min=1), active_fraction


def _semi_hard_negative_distance(distance, negative):
    """Return for each pair (a, p) the squared distance [N, N] from a to its semi-hard negative."""
    farther = negative[:, None, :] & (distance[:, None, :] > distance[:, :, None])  # [a, p, n]
    nearest = torch.where(farther, distance[:, None, :], 5.0).amin(2)
    farthest = torch.where(negative, distance, -1.0).amax(1, keepdim=True)
    return torch.where(farther.any(2), nearest, farthest)


def supcon_loss(embeddings, identities, temperature=0.08):
    """Return the supervised contrastive loss, 0-d (Khosla et al. 2020, arXiv 2004.11362, eq. 2):
    -log softmax of the positives of an anchor among all its pairs, averaged over its positives,
    then over the anchors that have one."""
    positive, _ = _pair_masks(identities)
    is_self = torch.eye(len(identities), dtype=torch.bool, device=identities.device)
    logits = (_pairwise_cosine(embeddings) / temperature).masked_fill(is_self, -1e4)
    log_prob = log_softmax(logits, 1)
    num_positives = positive.sum(1)
    loss = -(log_prob * positive).sum(1) / num_positives.clamp(min=1)  # [N]
    return loss.sum() / (num_positives > 0).sum().clamp(min=1)
