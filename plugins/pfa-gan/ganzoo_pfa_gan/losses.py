"""What the age judge says, as losses ask for it."""

from __future__ import annotations

import torch

AGES = 101
"""Classes of an age judge: 0 to 100 years."""


def group_logits(logits, edges):
    """Return log-probabilities [N, K] of the groups, from logits [N, 101] over ages: a group's
    probability is the sum over its ages. `edges` are its inclusive upper edges."""
    ages = torch.arange(AGES, device=logits.device)
    group = torch.bucketize(ages, torch.tensor(edges, device=logits.device))
    log_p = logits.float().log_softmax(1)
    parts = [log_p.masked_fill(group != k, -torch.inf).logsumexp(1) for k in range(len(edges) + 1)]
    return torch.stack(parts, 1)


def expected_age(logits):
    """Return the mean of the distribution over ages (DEX), [N] years."""
    return logits.float().softmax(1) @ torch.arange(AGES, dtype=torch.float32).to(logits.device)
