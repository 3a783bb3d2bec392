"""Adversarial losses, each with its formula. D is the discriminator's logit, sigma the sigmoid."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganzoo_core.interfaces import Loss


class BCE(Loss):
    """Goodfellow et al. 2014 (arXiv 1406.2661), non-saturating.

    d = -[s log sigma(D(x)) + (1 - s) log(1 - sigma(D(x)))] - log(1 - sigma(D(G(z))))
    g = -log sigma(D(G(z)))

    Args:
        real_target: s; below 1 it is one-sided label smoothing (Salimans et al. 2016).
        half: halve the discriminator's sum.
        saturating: g = log(1 - sigma(D(G(z)))) instead, the minimax game.
    """

    def __init__(
        self, *, real_target: float = 1.0, half: bool = False, saturating: bool = False
    ) -> None:
        self.real_target = real_target
        self.scale = 0.5 if half else 1.0
        self.saturating = saturating

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Cross-entropy against real_target and 0."""
        real, fake = real.float(), fake.float()
        on_real = self.real_target * softplus(-real) + (1 - self.real_target) * softplus(real)
        return self.scale * (on_real.mean() + softplus(fake).mean())

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Cross-entropy of fakes against 1, or the minimax loss."""
        fake = fake.float()
        return -softplus(fake).mean() if self.saturating else softplus(-fake).mean()


class LeastSquares(Loss):
    """LSGAN, Mao et al. 2017 (arXiv 1611.04076).

    d = 1/2 (D(x) - 1)^2 + 1/2 D(G(z))^2, g = 1/2 (D(G(z)) - 1)^2
    """

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Pull real logits to 1 and fake ones to 0."""
        return 0.5 * ((real.float() - 1).square().mean() + fake.float().square().mean())

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

    Needs a Lipschitz critic: clip weights in a step's `after`, or add `gradient_penalty`.
    """

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Estimate the (negative) earth mover's distance."""
        return fake.float().mean() - real.float().mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Raise fake values."""
        return -fake.float().mean()


class Relativistic(Loss):
    """Relativistic pairing, Jolicoeur-Martineau 2019 (arXiv 1807.00734), as in R3GAN.

    d = log(1 + exp(-(D(x) - D(G)))), g = log(1 + exp(-(D(G) - D(x))))
    """

    pairs = True

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Real should look more real than its fake partner."""
        return softplus(fake.float() - real.float()).mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Fake should look more real than its real partner."""
        assert real is not None, "a relativistic loss compares fakes with real logits"
        return softplus(real.float() - fake.float()).mean()
