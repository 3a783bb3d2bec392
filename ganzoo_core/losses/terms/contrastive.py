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
from torch import Tensor, nn
from torch.nn.functional import normalize

from ganzoo_core.interfaces import (
    GAN,
    DiscriminatorOutput,
    GeneratorOutput,
    StepContext,
    Term,
)
from ganzoo_core.losses.heads import UnitEmbedding


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


class ConditionalContrastive(Term):
    """Adds 2C to both losses: on the real images for D, on the fakes for G.

    Args:
        temperature: t.
        embed_dim: E, where the discriminator has no embedding of its own.
    """

    heads = ("embedding",)
    parts = ("class_proxies",)
    models_with_heads = "sngan, reacgan"
    needs_labels = True

    def __init__(self, *, temperature: float = 1.0, embed_dim: int = 512) -> None:
        super().__init__()
        self.temperature, self.embed_dim = temperature, embed_dim

    def build_heads(self, feature_dim: int, num_classes: int) -> dict[str, nn.Module]:
        """Return the embedding of images and the proxies of classes."""
        return {
            "embedding": UnitEmbedding(feature_dim, self.embed_dim),
            "class_proxies": nn.Embedding(num_classes, self.embed_dim),
        }

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return 2C of the real images, 0-d."""
        return self._loss(gan, out.real_heads["embedding"], out.label)

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return 2C of the fakes, 0-d."""
        return self._loss(gan, out.fake_heads["embedding"], out.label)

    def _loss(self, gan: GAN, embedding: Tensor, label: Tensor | None) -> Tensor:
        assert label is not None
        proxies = normalize(gan.discriminator.find_head("class_proxies")(label).float())
        return conditional_contrastive_loss(embedding, proxies, label, self.temperature)
