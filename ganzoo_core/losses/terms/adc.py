"""The auxiliary discriminative classifier of ADC-GAN.

Paper: Conditional GANs with Auxiliary Discriminative Classifier (Hou et al. 2021, arXiv
2107.10060), with weight 1. D has a classifier of 2K classes: real of each class, and fake of each
class. Its loss in D is -log p(real, y | x) - log p(fake, y | G(z)); in G it is
-log p(real, y | G(z)) + log p(fake, y | G(z)).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import nll_loss

from ganzoo_core.interfaces import (
    GAN,
    DiscriminatorOutput,
    GeneratorOutput,
    StepContext,
    Term,
)
from ganzoo_core.losses.heads import LogProbabilities


class ADC(Term):
    """Adds the classification losses to both networks; D must have `class_log_probs`."""

    heads = ("class_log_probs",)
    models_with_heads = "sngan, cgan with model.label_injection=late"
    needs_labels = True

    def build_heads(self, feature_dim: int, num_classes: int) -> dict[str, nn.Module]:
        """Return the classifier, log-probabilities [N, 2K]."""
        return {"class_log_probs": LogProbabilities(feature_dim, 2 * num_classes)}

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the classification loss of real and fake images, 0-d."""
        label, num_classes = out.label, len(gan.info.class_names)
        assert label is not None
        real_log_probs = out.real_heads["class_log_probs"]  # [N, 2K]
        fake_log_probs = out.fake_heads["class_log_probs"]
        return nll_loss(real_log_probs, label) + nll_loss(fake_log_probs, label + num_classes)

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the classification loss of the fakes, 0-d."""
        label, num_classes = out.label, len(gan.info.class_names)
        assert label is not None
        log_probs = out.fake_heads["class_log_probs"]  # [N, 2K]
        return nll_loss(log_probs, label) - nll_loss(log_probs, label + num_classes)
