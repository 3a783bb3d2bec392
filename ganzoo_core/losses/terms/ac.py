"""The auxiliary classifier of ACGAN, and its twin of TAC-GAN.

Papers:

- Conditional Image Synthesis with Auxiliary Classifier GANs (Odena, Olah and Shlens 2017, arXiv
  1610.09585). A head of D predicts the class. Both networks minimize -log p(y | x) - log p(y | G),
  G the second part.
- Twin Auxiliary Classifiers GAN (Gong et al. 2019, arXiv 1907.02690). The classifier is trained on
  real images only. A twin is trained on the fakes: D minimizes -log q(y | G) too, and G adds
  log q(y | G), so that the fakes of a class need not be those that are easiest to classify.
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


class AC(Term):
    """Adds the cross-entropy of the classes to both losses.

    Args:
        on_fakes: train the classifier of D on the fakes too, as ACGAN does.
    """

    heads: tuple[str, ...] = ("ac_log_probs",)
    models_with_heads = "sngan"
    needs_labels = True

    def __init__(self, *, on_fakes: bool = True) -> None:
        super().__init__()
        self.on_fakes = on_fakes

    def build_heads(self, feature_dim: int, num_classes: int) -> dict[str, nn.Module]:
        """Return the classifier, log-probabilities [N, K]."""
        return {"ac_log_probs": LogProbabilities(feature_dim, num_classes)}

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the cross-entropy of real images and, with `on_fakes`, of fakes, 0-d."""
        assert out.label is not None
        loss = nll_loss(out.real_heads["ac_log_probs"], out.label)
        if self.on_fakes:
            loss = loss + nll_loss(out.fake_heads["ac_log_probs"], out.label)
        return loss

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the cross-entropy of the fakes, 0-d."""
        assert out.label is not None
        return nll_loss(out.fake_heads["ac_log_probs"], out.label)


class TAC(AC):
    """Adds the cross-entropy of the classes, and of the twin classifier with the opposite sign in
    the loss of G."""

    heads = ("ac_log_probs", "twin_ac_log_probs")

    def __init__(self) -> None:
        super().__init__(on_fakes=False)

    def build_heads(self, feature_dim: int, num_classes: int) -> dict[str, nn.Module]:
        """Return both classifiers, log-probabilities [N, K]."""
        return {name: LogProbabilities(feature_dim, num_classes) for name in self.heads}

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the cross-entropy of real images, and of the twin for the fakes, 0-d."""
        assert out.label is not None
        twin_loss = nll_loss(out.fake_heads["twin_ac_log_probs"], out.label)
        return super().discriminator(gan, ctx, out) + twin_loss

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the cross-entropy of the classifier minus that of the twin, 0-d."""
        assert out.label is not None
        twin_loss = nll_loss(out.fake_heads["twin_ac_log_probs"], out.label)
        return super().generator(gan, ctx, out) - twin_loss
