"""The conditional contrastive loss (2C) of ContraGAN.

Paper: ContraGAN: Contrastive Learning for Conditional Image Generation (Kang and Park 2020, arXiv
2006.12681). The embeddings f of the images and the class proxies v lie on a unit sphere. An
embedding is drawn to the proxy of its class and to the embeddings of its class, and away from those
of other classes:

    -log  (e(f.v) + sum_(j of the class) e(f.f_j)) / (e(f.v) + sum_j e(f.f_j)),  e(s) = exp(s / t)

j over the other images of the batch. D is trained on the real images, G on the fakes.

Differs from the authors' code: with several processes each one compares the images of its own part
of the batch, and their code those of the whole batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.losses.terms.class_proxy_term import ClassProxyTerm


def conditional_contrastive_loss(
    embeddings: Tensor, proxies: Tensor, label: Tensor, temperature: float
) -> Tensor:
    """Return the conditional contrastive loss, 0-d.

    Args:
        embeddings: unit vectors [N, E] of the images.
        proxies: unit vectors [N, E] of their classes.
        label: class indices [N].
        temperature: t.
    """
    to_proxy = (embeddings * proxies).sum(1, keepdim=True) / temperature  # [N, 1]
    pairs = embeddings @ embeddings.T / temperature  # [N, N]
    is_itself = torch.eye(len(label), dtype=torch.bool, device=pairs.device)
    pairs = pairs.masked_fill(is_itself, -torch.inf)
    same = pairs.masked_fill(label[:, None] != label, -torch.inf)
    numerator = torch.cat([to_proxy, same], 1).logsumexp(1)
    return (torch.cat([to_proxy, pairs], 1).logsumexp(1) - numerator).mean()


class ConditionalContrastive(ClassProxyTerm):
    """Adds 2C to both losses: on the real images for D, on the fakes for G.

    Args:
        temperature: t.
        embed_dim: E, where the discriminator has no embedding of its own.
    """

    def __init__(self, *, temperature: float = 1.0, embed_dim: int = 512) -> None:
        super().__init__(embed_dim=embed_dim)
        self.temperature = temperature

    def loss(self, embedding: Tensor, proxies: Tensor, label: Tensor) -> Tensor:
        """Return 2C, 0-d."""
        return conditional_contrastive_loss(embedding, proxies, label, self.temperature)
