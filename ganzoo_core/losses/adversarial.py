"""Adversarial losses, each with its formula. D is the discriminator's logit, sigma the sigmoid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganzoo_core.interfaces import Loss, StepContext


class BCE(Loss):
    """Goodfellow et al. 2014 (arXiv 1406.2661), non-saturating.

    d = -[s log sigma(D(x)) + (1 - s) log(1 - sigma(D(x)))] - log(1 - sigma(D(G(z))))
    g = -log sigma(D(G(z)))

    Args:
        real_target: s; below 1 it is one-sided label smoothing (Salimans et al. 2016).
        halve_d_loss: multiply the discriminator's loss by 1/2.
    """

    def __init__(self, *, real_target: float = 1.0, halve_d_loss: bool = False) -> None:
        self.real_target = real_target
        self.scale = 0.5 if halve_d_loss else 1.0

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the cross-entropy of real logits against `real_target` and fake ones against 0."""
        real, fake = real_logits.float(), fake_logits.float()
        real_loss = self.real_target * softplus(-real) + (1 - self.real_target) * softplus(real)
        return self.scale * (real_loss.mean() + softplus(fake).mean())

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return the cross-entropy of fake logits against 1."""
        return softplus(-fake_logits.float()).mean()


class Minimax(BCE):
    """The saturating loss of the same paper: g = log(1 - sigma(D(G(z)))), whose gradient vanishes
    where D rejects the fakes with confidence."""

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return the negative of the fake part of the discriminator's loss."""
        return -softplus(fake_logits.float()).mean()


class FeatureMatching(BCE):
    """Salimans et al. 2016 (arXiv 1606.03498): g = |E f(x) - E f(G(z))|^2 alone, which the
    term `feature-matching` adds."""

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return 0: the logits have no part in this loss."""
        return 0 * fake_logits.float().mean()


class LeastSquares(Loss):
    """LSGAN, Mao et al. 2017 (arXiv 1611.04076).

    d = 1/2 (D(x) - s)^2 + 1/2 D(G(z))^2, g = 1/2 (D(G(z)) - 1)^2

    Args:
        real_target: s; below 1 it is one-sided label smoothing.
    """

    decision_threshold = 0.5

    def __init__(self, *, real_target: float = 1.0) -> None:
        self.real_target = real_target

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the squared distance of real logits to `real_target` and of fake ones to 0."""
        real_error, fake_error = real_logits.float() - self.real_target, fake_logits.float()
        return 0.5 * (real_error.square().mean() + fake_error.square().mean())

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return the squared distance of fake logits to 1."""
        return 0.5 * (fake_logits.float() - 1).square().mean()


class Hinge(Loss):
    """Lim and Ye 2017 (arXiv 1705.02894): d = [1 - D(x)]+ + [1 + D(G)]+, g = -D(G)."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the hinge loss with margins at 1 and -1."""
        return relu(1 - real_logits.float()).mean() + relu(1 + fake_logits.float()).mean()

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return the negative mean of the fake logits."""
        return -fake_logits.float().mean()


class Wasserstein(Loss):
    """WGAN, Arjovsky et al. 2017 (arXiv 1701.07875): d = D(G) - D(x), g = -D(G).

    Needs a Lipschitz discriminator: the term `weight-clip`, or a gradient penalty.
    """

    decision_threshold = None

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the negative estimate of the Wasserstein distance."""
        return fake_logits.float().mean() - real_logits.float().mean()

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return the negative mean of the fake logits."""
        return -fake_logits.float().mean()


class Relativistic(Loss):
    """Relativistic pairing, Jolicoeur-Martineau 2019 (arXiv 1807.00734); with R1 and R2 it is
    R3GAN's (Huang et al. 2024, arXiv 2501.05441). A fake has the label of its real partner.

    d = log(1 + exp(-(D(x) - D(G)))), g = log(1 + exp(-(D(G) - D(x))))
    """

    needs_real_logits = True
    decision_threshold = None

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the logistic loss of real minus fake logits, pair by pair."""
        return softplus(fake_logits.float() - real_logits.float()).mean()

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return the logistic loss of fake minus real logits, pair by pair."""
        assert real_logits is not None, "a relativistic loss compares fakes with real logits"
        return softplus(real_logits.float() - fake_logits.float()).mean()


class RelativisticAverage(Loss):
    """Relativistic average, Jolicoeur-Martineau 2019 (arXiv 1807.00734).

    d = -log sigma(D(x) - E D(G)) - log(1 - sigma(D(G) - E D(x))), g = d with real and fake swapped

    Args:
        mean_fn: the mean over the global batch, see `StepContext.all_reduce_mean`.
    """

    needs_real_logits = True
    decision_threshold = None

    def __init__(self, mean_fn: Callable[[Tensor], Tensor] = torch.Tensor.mean) -> None:
        self.mean_fn = mean_fn

    def bind(self, ctx: StepContext) -> Loss:
        """Return the loss with the mean over all ranks."""
        return RelativisticAverage(ctx.all_reduce_mean)

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the logistic loss of real logits above the mean fake logit and of fake logits
        below the mean real one."""
        real, fake = real_logits.float(), fake_logits.float()
        relative_real = real - self.mean_fn(fake.mean())
        relative_fake = fake - self.mean_fn(real.mean())
        return softplus(-relative_real).mean() + softplus(relative_fake).mean()

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Return the discriminator's loss with real and fake swapped."""
        assert real_logits is not None, "a relativistic loss compares fakes with real logits"
        return self.discriminator_loss(fake_logits, real_logits)


def make_loss(options: Any) -> Loss:
    """Return the loss that `model.loss` (`ganzoo_core.LossOptions`) describes."""
    loss: Loss = options.build()
    return loss
