"""Matching-aware discriminator: real images with wrong labels are further negatives of D.

Paper: Generative Adversarial Text to Image Synthesis (GAN-CLS, Reed et al. 2016, arXiv 1605.05396),
with weight 0.5. The loss of D is (1 - w) d(real, fake) + w d(real, real with a wrong label).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import GAN, DiscriminatorOutput, StepContext, Term


class WrongLabels(Term):
    """D also scores each real image with a label that it does not have.

    For the labels of `info.age_bins` the wrong label is an adjacent one, since those are the
    hardest to separate; else each of the other classes with equal probability.

    Args:
        epochs: how long wrong labels are used; 0 for all of the training.
    """

    def __init__(self, *, epochs: float = 0.0) -> None:
        super().__init__()
        self.epochs = epochs

    def check(self, gan: GAN) -> None:
        """Refuse a discriminator that receives no labels."""
        has_labels = gan.conditional and len(gan.info.class_names) > 1
        if not has_labels or not gan.discriminator.uses_label:
            raise UsageError(
                "model.terms.wrong-labels: the logit of the discriminator does not depend on a "
                "label: --set model.terms.wrong-labels=none"
            )

    def extra_labels(self, gan: GAN, ctx: StepContext) -> Tensor | None:
        """Return wrong labels [N], or None after `epochs`."""
        if self.epochs and ctx.step >= ctx.epochs_to_steps(self.epochs):
            return None
        num_classes, label = len(gan.info.class_names), ctx.batch.label
        assert label is not None
        if gan.info.age_bins:
            direction = 1 - 2 * (ctx.rand(len(label)) < 0.5).long()
            return adjacent_label(label, direction, num_classes)
        offset = (ctx.rand(len(label)) * (num_classes - 1)).long()  # 0 .. K - 2
        return (label + 1 + offset.clamp_(max=num_classes - 2)) % num_classes

    def adversarial_loss(
        self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput, loss: Tensor
    ) -> Tensor:
        """Return the weighted sum of both losses, 0-d."""
        wrong_logits = out.extra_logits.get(self.name)
        if wrong_logits is None:
            return loss
        ctx.log({"logits/wrong_label": wrong_logits.mean()})
        wrong_loss = gan.loss.bind(ctx).discriminator_loss(out.real_logits, wrong_logits)
        return (1 - self.weight) * loss + self.weight * wrong_loss


def adjacent_label(label: Tensor, direction: Tensor | int, num_classes: int) -> Tensor:
    """Return the labels one class up (direction 1) or down (-1); at an end the only neighbor."""
    neighbor = label + direction
    is_outside = (neighbor < 0) | (neighbor == num_classes)
    return torch.where(is_outside, label - direction, neighbor)
