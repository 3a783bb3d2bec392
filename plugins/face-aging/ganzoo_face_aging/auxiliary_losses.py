"""What the losses of several aging models need of their frozen auxiliary networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ganzoo_core.errors import WeightsError
from ganzoo_core.interfaces import FrozenNetwork
from ganzoo_core.layers import bin_index

_METHODS = (("identity", "features"), ("age", "age_logits"))


def check_auxiliaries(model_name: str, auxiliaries: Mapping[str, FrozenNetwork]) -> None:
    """Refuse an identity network without `features` or an age network without `age_logits`.

    Args:
        model_name: of the model whose loss needs them.
        auxiliaries: its auxiliary networks.

    Raises:
        WeightsError: one lacks its method.
    """
    for role, method in _METHODS:
        if role in auxiliaries and not hasattr(auxiliaries[role], method):
            class_name = type(auxiliaries[role].module).__name__
            raise WeightsError(
                f"the auxiliary network {role!r}, {class_name}, has no {method}(), which "
                f"{model_name} needs: --set model.auxiliaries.{role}.weights=FOLDER "
                "(`ganzoo list evaluator`)"
            )


def group_log_probs(logits: Tensor, age_bins: Sequence[int]) -> Tensor:
    """Return log-probabilities [N, K] of the age groups.

    The probability of a group is the sum over its ages.

    Args:
        logits: [N, A] over the ages 0 to A - 1.
        age_bins: the inclusive upper edges of the groups, K - 1 of them.
    """
    ages = torch.arange(logits.shape[1], device=logits.device)
    age_to_group = bin_index(ages, age_bins)
    age_log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(1)
    columns = [
        age_log_probs.masked_fill(age_to_group != k, -torch.inf).logsumexp(1)
        for k in range(len(age_bins) + 1)
    ]
    return torch.stack(columns, 1)
