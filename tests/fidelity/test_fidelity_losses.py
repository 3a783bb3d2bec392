"""The adversarial losses against the formulas of their papers, forward and backward, and what each
model that uses them claims."""

import pytest
import torch
from fidelity_helpers import proves

from ganzoo_core.losses import (
    BCE,
    Hinge,
    LeastSquares,
    Minimax,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
)


def log_sigmoid(x):
    return torch.log(1 / (1 + torch.exp(-x)))


FORMULAS = {
    "bce": (
        BCE(),
        lambda r, f: -(log_sigmoid(r).mean() + torch.log(1 - torch.sigmoid(f)).mean()),
        lambda r, f: -log_sigmoid(f).mean(),
    ),
    "minimax": (
        Minimax(),
        lambda r, f: -(log_sigmoid(r).mean() + torch.log(1 - torch.sigmoid(f)).mean()),
        lambda r, f: torch.log(1 - torch.sigmoid(f)).mean(),
    ),
    "least-squares": (
        LeastSquares(),
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: ((f - 1) ** 2).mean() / 2,
    ),
    "hinge": (
        Hinge(),
        lambda r, f: -((r - 1).clamp(max=0).mean() + (-1 - f).clamp(max=0).mean()),
        lambda r, f: -f.mean(),
    ),
    "wasserstein": (Wasserstein(), lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "relativistic": (
        Relativistic(),
        lambda r, f: -log_sigmoid(r - f).mean(),
        lambda r, f: -log_sigmoid(f - r).mean(),
    ),
    "relativistic-average": (
        RelativisticAverage(),
        lambda r, f: -log_sigmoid(r - f.mean()).mean() - log_sigmoid(-(f - r.mean())).mean(),
        lambda r, f: -log_sigmoid(f - r.mean()).mean() - log_sigmoid(-(r - f.mean())).mean(),
    ),
}


@proves("gan", "losses")
@proves("mlp-cgan", "losses")
@proves("dcgan", "losses")
@proves("cgan", "losses")
@pytest.mark.parametrize("name", FORMULAS)
def test_losses_equal_formulas(name):
    loss, d_formula, g_formula = FORMULAS[name]
    real, fake = (torch.randn(64, requires_grad=True) for _ in range(2))
    pairs = (
        (loss.discriminator_loss(real, fake), d_formula(real.double(), fake.double())),
        (loss.generator_loss(fake, real), g_formula(real.double(), fake.double())),
    )
    for ours, formula in pairs:
        torch.testing.assert_close(ours, formula.float())
        gradients = [
            torch.autograd.grad(v, (real, fake), allow_unused=True) for v in (ours, formula)
        ]
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(a, b) if a is not None else None
            assert (a is None) == (b is None)
