"""Each loss against values worked out by hand."""

import math

import pytest
import torch

from ganzoo_core.losses import (
    BCE,
    Hinge,
    LeastSquares,
    Relativistic,
    Wasserstein,
    gradient_penalty,
    input_gradient,
    r1,
)

REAL, FAKE = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])


def log_sigmoid(x):
    return -math.log(1 + math.exp(-x))


def mean(f, values):
    return sum(f(x) for x in values.tolist()) / len(values)


SMOOTH = mean(lambda x: -(0.9 * log_sigmoid(x) + 0.1 * log_sigmoid(-x)), REAL)
PAIRS = [2.0 - 0.5, -1.0 + 3.0]
HAND = {
    "bce": (
        BCE(),
        mean(lambda x: -log_sigmoid(x), REAL) + mean(lambda x: -log_sigmoid(-x), FAKE),
        mean(lambda x: -log_sigmoid(x), FAKE),
    ),
    "smooth half": (
        BCE(real_target=0.9, half=True),
        0.5 * (SMOOTH + mean(lambda x: -log_sigmoid(-x), FAKE)),
        mean(lambda x: -log_sigmoid(x), FAKE),
    ),
    "saturating": (
        BCE(saturating=True),
        mean(lambda x: -log_sigmoid(x), REAL) + mean(lambda x: -log_sigmoid(-x), FAKE),
        mean(lambda x: log_sigmoid(-x), FAKE),
    ),
    "least squares": (
        LeastSquares(), 0.5 * (1 + 4) / 2 + 0.5 * (0.25 + 9) / 2, 0.5 * (0.25 + 16) / 2
    ),
    "hinge": (Hinge(), (0 + 2) / 2 + (1.5 + 0) / 2, -(0.5 - 3) / 2),
    "wasserstein": (Wasserstein(), (0.5 - 3) / 2 - (2 - 1) / 2, -(0.5 - 3) / 2),
    "relativistic": (
        Relativistic(),
        sum(-log_sigmoid(x) for x in PAIRS) / 2,
        sum(-log_sigmoid(-x) for x in PAIRS) / 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HAND)
def test_values_by_hand(name):
    loss, d, g = HAND[name]
    assert loss.d(REAL, FAKE).item() == pytest.approx(d, rel=1e-5)
    assert loss.g(FAKE, REAL).item() == pytest.approx(g, rel=1e-5)


@pytest.mark.parametrize("name", HAND)
def test_gradients_have_the_right_sign_and_reach_their_logits(name):
    loss = HAND[name][0]
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    loss.d(real, fake).backward()
    if name != "least squares":  # which pulls logits back that are beyond its targets
        assert (real.grad <= 0).all() and (fake.grad >= 0).all()
    assert real.grad.abs().sum() > 0 and fake.grad.abs().sum() > 0
    lone = FAKE.clone().requires_grad_()
    loss.g(lone, REAL).backward()
    assert (lone.grad < 0).all()


@pytest.mark.parametrize("name", HAND)
def test_half_precision_logits_give_full_precision_losses(name):
    loss = HAND[name][0]
    half = REAL.bfloat16(), FAKE.bfloat16()
    assert loss.d(*half).dtype == torch.float32 == loss.g(half[1], half[0]).dtype
    assert loss.d(*half).ndim == 0


def test_extreme_logits_stay_finite():
    far = torch.tensor([1e4, -1e4])
    for loss, _, _ in HAND.values():
        assert loss.d(far, -far).isfinite() and loss.g(far, -far).isfinite()


def test_only_a_relativistic_loss_asks_for_pairs():
    assert [name for name, (loss, _, _) in HAND.items() if loss.pairs] == ["relativistic"]
    with pytest.raises(AssertionError, match="real"):
        Relativistic().g(FAKE)


def test_no_loss_has_a_penalty_by_itself():
    assert Hinge().penalty(lambda x: x.sum(), torch.ones(1), torch.ones(1), torch.rand) == 0


# --- regularisers -------------------------------------------------------------------------------

IMAGES = torch.linspace(-1, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)


def test_r1_of_a_linear_critic_is_half_its_squared_slope():
    slope = torch.full((3, 4, 4), 0.5, requires_grad=True)
    penalty = r1(lambda x: (x * slope).sum((1, 2, 3)), IMAGES)
    assert penalty.item() == pytest.approx(0.5 * 48 * 0.25)
    penalty.backward()
    assert torch.allclose(slope.grad, slope)


def test_r1_of_a_quadratic_critic_is_half_its_squared_input():
    penalty = r1(lambda x: 0.5 * x.square().sum((1, 2, 3)), IMAGES)
    assert penalty.item() == pytest.approx(0.5 * IMAGES.square().sum((1, 2, 3)).mean().item())


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.25)])
def test_the_gradient_penalty_wants_a_norm_of_one(slope, penalty):
    mix = torch.tensor([0.0, 0.3])[:, None, None, None]
    value = gradient_penalty(lambda x: slope * x[:, 0, 0, 0], IMAGES, -IMAGES, mix)
    assert value.item() == pytest.approx(penalty, abs=1e-6)


def test_the_gradient_penalty_looks_between_real_and_fake():
    seen = []
    mix = torch.tensor([0.0, 0.25])[:, None, None, None]
    gradient_penalty(lambda x: (seen.append(x), x.sum((1, 2, 3)))[1], IMAGES, -IMAGES, mix)
    assert torch.allclose(seen[0][0], IMAGES[0]) and torch.allclose(seen[0][1], IMAGES[1] / 2)


def test_input_gradients_are_full_precision_under_autocast():
    layer = torch.nn.Linear(48, 1)
    with torch.autocast("cpu", torch.bfloat16):
        gradient = input_gradient(lambda x: layer(x.flatten(1)), IMAGES)
    assert gradient.dtype == torch.float32
    assert torch.equal(gradient[0].flatten(), layer.weight[0])
