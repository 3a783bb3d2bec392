"""What the losses of image embeddings and class proxies share."""

from __future__ import annotations

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


class ClassProxyTerm(Term):
    """A loss of the embeddings and their class proxies: of the real images for D, of the fakes
    for G.

    Args:
        embed_dim: E, where the discriminator has no embedding of its own.
    """

    heads = ("embedding",)
    parts = ("class_proxies",)
    models_with_heads = "sngan, reacgan"
    needs_labels = True

    def __init__(self, *, embed_dim: int = 512) -> None:
        super().__init__()
        self.embed_dim = embed_dim

    def build_heads(self, feature_dim: int, num_classes: int) -> dict[str, nn.Module]:
        """Return the embedding of images and the proxies of classes."""
        return {
            "embedding": UnitEmbedding(feature_dim, self.embed_dim),
            "class_proxies": nn.Embedding(num_classes, self.embed_dim),
        }

    def loss(self, embedding: Tensor, proxies: Tensor, label: Tensor) -> Tensor:
        """Return the loss, 0-d, of unit vectors [N, E], the unit proxies [N, E] of their classes,
        and labels [N]."""
        raise NotImplementedError

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the loss of the real images, 0-d."""
        return self._loss(gan, out.real_heads["embedding"], out.label)

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the loss of the fakes, 0-d."""
        return self._loss(gan, out.fake_heads["embedding"], out.label)

    def _loss(self, gan: GAN, embedding: Tensor, label: Tensor | None) -> Tensor:
        assert label is not None
        proxies = gan.discriminator.find_head("class_proxies")(label)
        return self.loss(embedding, normalize(proxies.float()), label)
