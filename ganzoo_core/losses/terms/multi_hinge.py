"""The multi-hinge loss of MHGAN, in place of the adversarial loss of both networks.

Paper: A Multi-Class Hinge Loss for Conditional GANs (Kavalerov, Czaja and Chellappa 2021, arXiv
1912.04216). A head of D has K + 1 scores h: the classes, and "fake". With the loss of Crammer and
Singer for a target k,

    c(h, k) = [1 + max_(j != k) h_j - h_k]+

D minimizes c(h(x), y) + c(h(G), fake), and G w c(h(G), y). As in the authors' code w = 0.05, beside
feature matching with weight 1 (the term `feature-matching`, which averages squares).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ganzoo_core.interfaces import (
    GAN,
    DiscriminatorOutput,
    GeneratorOutput,
    StepContext,
    Term,
)


def crammer_singer(scores: Tensor, target: Tensor) -> Tensor:
    """Return the multi-class hinge loss, 0-d, from scores [N, K] and targets [N]."""
    scores = scores.float()
    others = scores.scatter(1, target[:, None], -torch.inf).amax(1)
    return relu(1 + others - scores.gather(1, target[:, None])[:, 0]).mean()


class MultiHinge(Term):
    """Replaces both adversarial losses.

    Args:
        g_weight: w, of the loss of G.
    """

    heads = ("multi_hinge",)
    models_with_heads = "sngan"
    needs_labels = True

    def __init__(self, *, g_weight: float = 0.05) -> None:
        super().__init__()
        self.g_weight = g_weight

    def build_heads(self, feature_dim: int, num_classes: int) -> dict[str, nn.Module]:
        """Return the scores [N, K + 1] of the classes and of "fake"."""
        return {"multi_hinge": nn.Linear(feature_dim, num_classes + 1)}

    def adversarial_loss(
        self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput, loss: Tensor
    ) -> Tensor:
        """Return the multi-hinge loss of D, 0-d, which ignores the logits."""
        assert out.label is not None
        fake = torch.full_like(out.label, len(gan.info.class_names))
        real_loss = crammer_singer(out.real_heads["multi_hinge"], out.label)
        return 0 * loss + real_loss + crammer_singer(out.fake_heads["multi_hinge"], fake)

    def generator_adversarial_loss(
        self, gan: GAN, ctx: StepContext, out: GeneratorOutput, loss: Tensor
    ) -> Tensor:
        """Return the multi-hinge loss of G, 0-d."""
        assert out.label is not None
        return self.g_weight * crammer_singer(out.fake_heads["multi_hinge"], out.label)
