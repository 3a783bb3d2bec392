"""Age group from the logits of an age estimator."""

from __future__ import annotations

import torch

from ganzoo_core.layers import bin_index

_NUM_AGES = 101
"""Classes of an age estimator: 0 to 100 years."""


def group_log_probs(logits, age_bins):
    """Return log-probabilities [N, K] of the age groups.

    The probability of a group is the sum over its ages.

    Args:
        logits: [N, 101] over the ages 0 to 100.
        age_bins: the inclusive upper edges of the groups, K - 1 of them.
    """
    ages = torch.arange(_NUM_AGES, device=logits.device)
    age_to_group = bin_index(ages, age_bins)
    age_log_probs = logits.float().log_softmax(1)
    columns = [
        age_log_probs.masked_fill(age_to_group != k, -torch.inf).logsumexp(1)
        for k in range(len(age_bins) + 1)
    ]
    return torch.stack(columns, 1)
