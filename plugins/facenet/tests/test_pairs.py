"""The losses against plain loops over pairs and triplets."""

import itertools
import math

import pytest
import torch
from ganzoo_facenet.pairs import contrast_loss, triplet_loss
from torch.nn.functional import normalize

WHO = torch.tensor([0, 0, 1, 1, 2, 2, 2])


def points(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(len(WHO), 5, generator=generator, dtype=torch.float64)).float()


def by_hand(x, mining, margin=0.2):
    d = [[float((a - b).square().sum()) for b in x] for a in x]
    n, who = range(len(x)), WHO.tolist()
    pairs = [(a, p) for a in n for p in n if a != p and who[a] == who[p]]
    if mining == "all":
        every = [d[a][p] - d[a][k] + margin for a, p in pairs for k in n if who[k] != who[a]]
        positive = [v for v in every if v > 0]
        return sum(positive) / len(positive)
    if mining == "hard":
        far = [max(d[a][p] for b, p in pairs if b == a) for a in n]
        near = [min(d[a][k] for k in n if who[k] != who[a]) for a in n]
        return sum(max(f - k + margin, 0) for f, k in zip(far, near, strict=True)) / len(x)
    total = 0
    for a, p in pairs:
        others = [d[a][k] for k in n if who[k] != who[a]]
        farther = [v for v in others if v > d[a][p]]
        total += max(d[a][p] - (min(farther) if farther else max(others)) + margin, 0)
    return total / len(pairs)


@pytest.mark.parametrize("mining", ["semi-hard", "hard", "all"])
def test_triplets_are_those_of_a_plain_loop(mining):
    for seed in range(5):
        x = points(seed)
        loss, active = triplet_loss(x, WHO, 0.2, mining)
        assert math.isclose(float(loss), by_hand(x, mining), abs_tol=1e-5)
        assert 0 < active <= 1


@pytest.mark.parametrize("mining", ["semi-hard", "hard", "all"])
def test_the_hinge_lets_far_triplets_alone(mining):
    x = torch.eye(3)[WHO].requires_grad_()  # each person in one place, far from the others
    loss, active = triplet_loss(x, WHO, 0.2, mining)
    loss.backward()
    assert loss == 0 and active == 0 and x.grad.abs().sum() == 0


@pytest.mark.parametrize("mining", ["semi-hard", "hard", "all"])
def test_one_person_alone_makes_no_triplet(mining):
    x = points().requires_grad_()
    loss, active = triplet_loss(x, torch.zeros_like(WHO), 0.2, mining)
    loss.backward()
    assert loss == 0 and active == 0 and x.grad.isfinite().all()


def test_contrast_is_the_softmax_share_of_the_pairs():
    x, t = points(), 0.5
    like = [[math.exp(float(a @ b) / t) for b in x] for a in x]
    terms = [
        -math.log(like[a][p] / sum(like[a][k] for k in range(len(x)) if k != a))
        for a, p in itertools.permutations(range(len(x)), 2)
        if WHO[a] == WHO[p]
    ]
    assert math.isclose(float(contrast_loss(x, WHO, t)), sum(terms) / len(terms), rel_tol=1e-5)


def test_distances_are_fp32_under_autocast():
    x = points()
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = triplet_loss(x, WHO)
    assert loss.dtype == torch.float32 and loss == triplet_loss(x, WHO)[0]
