"""Adversarial losses, each with its formula. D is the discriminator's logit, sigma the sigmoid."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganzoo_core.interfaces import Loss, Turn


class BCE(Loss):
    """Goodfellow et al. 2014 (arXiv 1406.2661), non-saturating.

    d = -[s log sigma(D(x)) + (1 - s) log(1 - sigma(D(x)))] - log(1 - sigma(D(G(z))))
    g = -log sigma(D(G(z)))

    Args:
        real_target: s; below 1 it is one-sided label smoothing (Salimans et al. 2016).
        half: halve the discriminator's sum.
    """

    def __init__(self, *, real_target: float = 1.0, half: bool = False) -> None:
        self.real_target = real_target
        self.scale = 0.5 if half else 1.0

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Cross-entropy against real_target and 0."""
        real, fake = real.float(), fake.float()
        on_real = self.real_target * softplus(-real) + (1 - self.real_target) * softplus(real)
        return self.scale * (on_real.mean() + softplus(fake).mean())

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Cross-entropy of fakes against 1."""
        return softplus(-fake.float()).mean()


class Minimax(BCE):
    """The minimax game of the same paper: g = log(1 - sigma(D(G(z)))), flat where D wins."""

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """The negative of what D minimises."""
        return -softplus(fake.float()).mean()


class FeatureMatching(BCE):
    """Salimans et al. 2016 (arXiv 1606.03498): g = |E f(x) - E f(G(z))|^2 alone, which the GAN
    adds by the weight `feature_matching`."""

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Nothing by the logits."""
        return 0 * fake.float().mean()


class LeastSquares(Loss):
    """LSGAN, Mao et al. 2017 (arXiv 1611.04076).

    d = 1/2 (D(x) - s)^2 + 1/2 D(G(z))^2, g = 1/2 (D(G(z)) - 1)^2

    Args:
        real_target: s; below 1 it is one-sided label smoothing.
    """

    boundary = 0.5

    def __init__(self, *, real_target: float = 1.0) -> None:
        self.real_target = real_target

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Pull real logits to real_target and fake ones to 0."""
        real, fake = real.float() - self.real_target, fake.float()
        return 0.5 * (real.square().mean() + fake.square().mean())

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Pull fake logits to 1."""
        return 0.5 * (fake.float() - 1).square().mean()


class Hinge(Loss):
    """Lim and Ye 2017 (arXiv 1705.02894): d = [1 - D(x)]+ + [1 + D(G)]+, g = -D(G)."""

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Push logits beyond the margins, and no further."""
        return relu(1 - real.float()).mean() + relu(1 + fake.float()).mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Raise fake logits."""
        return -fake.float().mean()


class Wasserstein(Loss):
    """WGAN, Arjovsky et al. 2017 (arXiv 1701.07875): d = D(G) - D(x), g = -D(G).

    Needs a Lipschitz critic: `clip` its weights, or add `gradient_penalty`.
    """

    boundary = None

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Estimate the (negative) earth mover's distance."""
        return fake.float().mean() - real.float().mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Raise fake values."""
        return -fake.float().mean()


class Relativistic(Loss):
    """Relativistic pairing, Jolicoeur-Martineau 2019 (arXiv 1807.00734); with R1 and R2 it is
    R3GAN's (Huang et al. 2024, arXiv 2501.05441). Fakes have the labels of their partners.

    d = log(1 + exp(-(D(x) - D(G)))), g = log(1 + exp(-(D(G) - D(x))))
    """

    pairs = True
    boundary = None

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Real should look more real than its fake partner."""
        return softplus(fake.float() - real.float()).mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Fake should look more real than its real partner."""
        assert real is not None, "a relativistic loss compares fakes with real logits"
        return softplus(real.float() - fake.float()).mean()


class RelativisticAverage(Loss):
    """Relativistic average, Jolicoeur-Martineau 2019 (arXiv 1807.00734).

    d = -log sigma(D(x) - E D(G)) - log(1 - sigma(D(G) - E D(x))), g = d with real and fake swapped

    Args:
        mean: takes a mean over all ranks, `Turn.mean`.
    """

    pairs = True
    boundary = None

    def __init__(self, mean: Callable[[Tensor], Tensor] = torch.Tensor.mean) -> None:
        self.mean = mean

    def within(self, t: Turn) -> Loss:
        """Return the loss with this turn's mean."""
        return RelativisticAverage(t.mean)

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Real above the mean fake, fake below the mean real."""
        real, fake = real.float(), fake.float()
        above, below = real - self.mean(fake.mean()), fake - self.mean(real.mean())
        return softplus(-above).mean() + softplus(below).mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """The other way round."""
        assert real is not None, "a relativistic loss compares fakes with real logits"
        return self.d(fake, real)
