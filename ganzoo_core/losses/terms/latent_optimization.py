"""Latent optimization (LOGAN): each z makes a step towards higher logits before it is used.

Paper: LOGAN: Latent Optimisation for Generative Adversarial Networks (Wu et al. 2019, arXiv
1912.00953), with natural gradient descent. With g = dD(G(z))/dz,

    dz = a g / (b + |g|^2), z' = clip(z + m dz, -1, 1)

m chooses the latents that are optimized, and w |dz|^2 is added to both losses. The gradient of both
losses goes through dz. The values of the code that the composition `logan` follows
(POSTECH-CVLab/PyTorch-StudioGAN, CIFAR-10): a = 0.9, b = 0.1, w = 0.1, 80 % of the latents.

Differs from the paper:

| | paper | here |
|---|---|---|
| gradient of D | through all of z' | through dz in w dz^2 only: the fakes are detached |
| sampling | z is optimized too, or not | not |
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.errors import UsageError
from ganzoo_core.interfaces import (
    GAN,
    DiscriminatorOutput,
    GeneratorOutput,
    StepContext,
    Term,
)


class LatentOptimization(Term):
    """Optimizes z, and adds the squared length of its step to both losses.

    Args:
        step_size: a. damping: b. share: the share of the latents that are optimized.
    """

    uses_latent = True
    changes_latent = True

    def __init__(self, *, step_size: float = 0.9, damping: float = 0.1, share: float = 0.8) -> None:
        super().__init__()
        self.step_size, self.damping, self.share = step_size, damping, share

    def check(self, gan: GAN) -> None:
        """Refuse a normal prior: z is clipped to [-1, 1]."""
        super().check(gan)
        if gan.generator.prior != "uniform":
            raise UsageError(
                f"model.terms.{self.name} clips z to [-1, 1]: --set model.prior=uniform, or "
                f"--set model.terms.{self.name}=none"
            )

    def change_latent(
        self, gan: GAN, ctx: StepContext, z: Tensor, label: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return z' [N, Z], and the mean squared length of the step, 0-d."""
        z = z.detach().requires_grad_()
        logits = gan.discriminator(gan.generator(z, label), label)
        (gradient,) = torch.autograd.grad(logits.float().sum(), z, create_graph=True)
        squared_norm = gradient.square().sum(1, keepdim=True)  # [N, 1]
        step = self.step_size * gradient / (self.damping + squared_norm)
        is_chosen = (ctx.rand(len(z), 1) < self.share).to(z)
        return (z + is_chosen * step).clamp(-1, 1), step.square().sum(1).mean()

    def discriminator(self, gan: GAN, ctx: StepContext, out: DiscriminatorOutput) -> Tensor:
        """Return the mean squared length of the step, 0-d."""
        return gan.changed_latents(ctx, "discriminator")[1]

    def generator(self, gan: GAN, ctx: StepContext, out: GeneratorOutput) -> Tensor:
        """Return the mean squared length of the step, 0-d."""
        return gan.changed_latents(ctx, "generator")[1]
