"""Top-k training: G is trained on the fakes with the highest logits only.

Paper: Top-k Training of GANs (Sinha et al. 2020, arXiv 2002.06224). k starts at the batch size,
is multiplied by g after each epoch, and ends at v times the batch size: g = 0.99, v = 0.5.
"""

from __future__ import annotations

from torch import Tensor

from ganzoo_core.interfaces import GAN, GeneratorOutput, StepContext, Term


class TopK(Term):
    """Replaces the adversarial loss of G by that of the k fakes with the highest logits.

    Args:
        gamma: g. floor: v.
    """

    def __init__(self, *, gamma: float = 0.99, floor: float = 0.5) -> None:
        super().__init__()
        self.gamma, self.floor = gamma, floor

    def generator_adversarial_loss(
        self, gan: GAN, ctx: StepContext, out: GeneratorOutput, loss: Tensor
    ) -> Tensor:
        """Return the loss of the k best fakes, 0-d; with several processes, k of each."""
        n = len(out.fake_logits)
        k = max(1, int(n * self.share(ctx)))
        if k == n:
            return loss
        rows = out.fake_logits.flatten(1).mean(1) if out.fake_logits.ndim > 1 else out.fake_logits
        best = rows.topk(k).indices
        real_logits = None if out.real_logits is None else out.real_logits[best]
        return gan.loss.bind(ctx).generator_loss(out.fake_logits[best], real_logits)

    def share(self, ctx: StepContext) -> float:
        """Return k divided by the batch size."""
        epoch = ctx.step // ctx.epochs_to_steps(1)
        return float(max(self.gamma**epoch, self.floor))
