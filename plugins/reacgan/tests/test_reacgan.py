"""ReACGAN: the loss by hand, points on the sphere, classes that count, and the zoo's checks."""

import math

import pytest
import torch
from ganzoo_reacgan.config import ReACGANConfig
from ganzoo_reacgan.model import ReACGAN, d2d_ce

from ganzoo_core import DataInfo
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("reacgan")
def test_promises(check):
    check()


def built(size=32, classes=("a", "b"), **options):
    torch.manual_seed(0)
    small = {"width": 8, "latent": 8, "embedding": 8}
    return ReACGAN(ReACGANConfig(**{**small, **options}), DataInfo(size=size, classes=classes))


def test_d2d_ce_by_hand():
    points = torch.tensor([[1.0, 0], [0.6, 0.8], [0, 1.0]])
    proxies = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]])
    label = torch.tensor([0, 0, 1])
    margin, t = 0.9, 0.5
    near = [0.0, (0.6 - 0.9) / t, 0.0]  # a cosine beyond the margin counts as the margin
    far = [[0.0], [(0.8 - 0.1) / t], [0.0, (0.8 - 0.1) / t]]  # cosines of 0 lie below m_n
    expected = [
        math.log(math.exp(n) + sum(math.exp(x) for x in others)) - n
        for n, others in zip(near, far, strict=True)
    ]
    found = d2d_ce(points, proxies, label, margin, t)
    assert found.item() == pytest.approx(sum(expected) / 3, rel=1e-6)


def test_a_batch_of_one_class_has_no_negatives():
    points = torch.nn.functional.normalize(torch.randn(4, 8))
    points.requires_grad_()
    loss = d2d_ce(points, points.detach(), torch.zeros(4, dtype=torch.int64), 0.98, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6) and points.grad.isfinite().all()


@pytest.mark.parametrize("size", [32, 64])
def test_shapes_and_the_sphere(size):
    model = built(size)
    label = torch.tensor([0, 1, 1])
    image = model.generator(torch.randn(3, 8), label)
    assert image.shape == (3, 3, size, size) and image.abs().max() <= 1
    assert model.discriminator(image, label).shape == (3,)
    points, proxies = model.discriminator.classify(image, label)
    assert points.shape == proxies.shape == (3, 8)
    assert torch.allclose(points.norm(dim=1), torch.ones(3))
    assert torch.equal(proxies[1], proxies[2]) and not torch.equal(proxies[0], proxies[1])


def test_the_class_reaches_both_players():
    model = built(loss={"kind": "hinge"})
    label, z = torch.tensor([0, 1]), torch.randn(2, 8)
    fake = model.generator(z, label)
    model.class_loss(fake, label).backward()
    assert model.generator.embed.weight.grad.any() and model.discriminator.proxy.weight.grad.any()
    assert not torch.equal(model.generator(z, label)[0], model.generator(z, 1 - label)[0])


def test_a_discriminator_that_begins_anew():
    model = built()
    before = [p.clone() for p in model.discriminator.parameters() if p.dim() > 1]
    model.discriminator.begin()
    after = [p for p in model.discriminator.parameters() if p.dim() > 1]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_what_it_cannot_learn_is_refused():
    with pytest.raises(ValueError, match=r"data\.size=32"):
        built(48)
    with pytest.raises(ValueError, match="needs data with classes"):
        built(classes=())
