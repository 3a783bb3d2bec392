"""The heads that terms need, for the discriminators of all models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from ganzoo_core.interfaces import Term


class LogProbabilities(nn.Linear):
    """Features [N, F] -> log-probabilities [N, K], in fp32."""

    def forward(self, h: Tensor) -> Tensor:
        """Return log-probabilities [N, K]."""
        return super().forward(h).float().log_softmax(1)


class UnitEmbedding(nn.Linear):
    """Features [N, F] -> unit vectors [N, E], in fp32."""

    def forward(self, h: Tensor) -> Tensor:
        """Return unit vectors [N, E]."""
        return normalize(super().forward(h).float())


def make_heads(
    terms: Mapping[str, Term] | nn.ModuleDict,
    feature_dim: int,
    num_classes: int,
    wrap: Callable[[Any], nn.Module] = lambda head: head,
) -> nn.ModuleDict:
    """Return the heads that the terms of a GAN need, by name, for `Discriminator.heads`.

    Args:
        terms: `GAN.terms`.
        feature_dim: the number of features that `Discriminator.pooled` returns.
        num_classes: of the data; 0 for a model without labels.
        wrap: such as `spectral_norm`; called for each head.
    """
    heads: dict[str, nn.Module] = {}
    for term in terms.values():
        if num_classes or not term.needs_labels:  # else `Term.check` refuses the model
            heads |= term.build_heads(feature_dim, num_classes)  # type: ignore[operator]
    return nn.ModuleDict({name: wrap(head) for name, head in heads.items()})
