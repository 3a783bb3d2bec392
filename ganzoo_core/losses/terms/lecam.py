"""LeCam regularization, for few images: the logits stay near moving averages of the other kind's.

Paper: Regularizing Generative Adversarial Networks under Limited Data (Tseng et al. 2021, arXiv
2104.03310). With the moving averages a_R and a_F of the mean logits, as in the authors' code:

    E [D(x) - a_F]+^2 + E [a_R - D(G)]+^2

The paper's formula has the squares without [.]+. Weight 0.3 for CIFAR-10, from step 1000 on; the
averages decay by 0.9 a step.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

from ganzoo_core.interfaces import GAN, DiscriminatorOutput, StepContext, Term


class LeCam(Term):
    """Adds the regularization to the loss of D.

    Args:
        decay: of the averages, for each update of D.
        start: the first step at which it counts; until then the averages are the last means.
    """

    real_mean: Tensor
    fake_mean: Tensor

    def __init__(self, *, decay: float = 0.9, start: int = 1000) -> None:
        super().__init__()
        self.decay, self.start = decay, start
        self.register_buffer("real_mean", torch.zeros(()))
        self.register_buffer("fake_mean", torch.zeros(()))

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor | None:
        """Update the averages; return the regularization, 0-d, or None before `start`."""
        real, fake = out.real_logits.float(), out.fake_logits.float()
        decay = self.decay if ctx.step >= self.start else 0.0
        for average, logits in ((self.real_mean, real), (self.fake_mean, fake)):
            mean = ctx.all_reduce_mean(logits.detach().mean())
            average.lerp_(mean.to(average), 1 - decay)
        if ctx.step < self.start:
            return None
        # copies, since the next update of the averages comes before a second backward
        real_mean, fake_mean = self.real_mean.clone(), self.fake_mean.clone()
        return relu(real - fake_mean).square().mean() + relu(real_mean - fake).square().mean()
