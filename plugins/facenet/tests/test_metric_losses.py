"""The metric learning losses against plain loops over pairs and triplets."""

import itertools
import math

import pytest
import torch
from ganzoo_facenet.metric_losses import supcon_loss, triplet_loss
from torch.nn.functional import normalize

IDENTITIES = torch.tensor([0, 0, 1, 1, 2, 2, 2])


def random_embeddings(seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(IDENTITIES), 5, generator=generator, dtype=torch.float64)
    return normalize(embeddings).float()


def reference_triplet_loss(x, mining, margin=0.2):
    d = [[float((a - b).square().sum()) for b in x] for a in x]
    n, ids = range(len(x)), IDENTITIES.tolist()
    pairs = [(a, p) for a in n for p in n if a != p and ids[a] == ids[p]]
    if mining == "all":
        losses = [d[a][p] - d[a][k] + margin for a, p in pairs for k in n if ids[k] != ids[a]]
        positive = [v for v in losses if v > 0]
        return sum(positive) / len(positive)
    if mining == "hard":
        farthest = [max(d[a][p] for b, p in pairs if b == a) for a in n]
        nearest = [min(d[a][k] for k in n if ids[k] != ids[a]) for a in n]
        gaps = [f - k for f, k in zip(farthest, nearest, strict=True)]
        return sum(max(gap + margin, 0) for gap in gaps) / len(x)
    total = 0
    for a, p in pairs:
        negatives = [d[a][k] for k in n if ids[k] != ids[a]]
        farther = [v for v in negatives if v > d[a][p]]
        total += max(d[a][p] - (min(farther) if farther else max(negatives)) + margin, 0)
    return total / len(pairs)


@pytest.mark.parametrize("mining", ["semi-hard", "hard", "all"])
def test_triplet_loss_equals_plain_loop(mining):
    for seed in range(5):
        x = random_embeddings(seed)
        loss, active = triplet_loss(x, IDENTITIES, 0.2, mining)
        assert math.isclose(float(loss), reference_triplet_loss(x, mining), abs_tol=1e-5)
        assert 0 < active <= 1


@pytest.mark.parametrize("mining", ["semi-hard", "hard", "all"])
def test_triplet_loss_is_zero_beyond_margin(mining):
    x = torch.eye(3)[IDENTITIES].requires_grad_()  # one point per person, far from the others
    loss, active = triplet_loss(x, IDENTITIES, 0.2, mining)
    loss.backward()
    assert loss == 0 and active == 0 and x.grad.abs().sum() == 0


@pytest.mark.parametrize("mining", ["semi-hard", "hard", "all"])
def test_triplet_loss_of_one_identity_is_zero(mining):
    x = random_embeddings().requires_grad_()
    loss, active = triplet_loss(x, torch.zeros_like(IDENTITIES), 0.2, mining)
    loss.backward()
    assert loss == 0 and active == 0 and x.grad.isfinite().all()


def test_supcon_loss_equals_plain_loop():
    x, temperature = random_embeddings(), 0.5
    weights = [[math.exp(float(a @ b) / temperature) for b in x] for a in x]
    terms = {}
    for a, p in itertools.permutations(range(len(x)), 2):
        if IDENTITIES[a] == IDENTITIES[p]:
            others = sum(weights[a][k] for k in range(len(x)) if k != a)
            terms.setdefault(a, []).append(-math.log(weights[a][p] / others))
    per_anchor = [sum(values) / len(values) for values in terms.values()]
    loss = float(supcon_loss(x, IDENTITIES, temperature))
    assert math.isclose(loss, sum(per_anchor) / len(per_anchor), rel_tol=1e-5)
    alone = torch.cat([x, -x[:1]])  # an anchor without a positive has no loss
    identities = torch.cat([IDENTITIES, torch.tensor([9])])
    assert supcon_loss(alone, identities, temperature) > loss  # but it is a negative of the others


def test_triplet_loss_is_fp32_under_autocast():
    x = random_embeddings()
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = triplet_loss(x, IDENTITIES)
    assert loss.dtype == torch.float32 and loss == triplet_loss(x, IDENTITIES)[0]
