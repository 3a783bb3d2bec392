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


SMALL = {"width": 8, "d_width": 8, "latent": 4, "embedding": 8, "point": 8}


def built(size=32, classes=("a", "b"), **options):
    torch.manual_seed(0)
    return ReACGAN(ReACGANConfig(**{**SMALL, **options}), DataInfo(size=size, classes=classes))


def count(net):
    return sum(p.numel() for p in net.parameters())


def test_parameters_of_the_papers_networks():
    model = ReACGAN(ReACGANConfig(), DataInfo(size=32, classes=tuple("abcdefghij")))
    w, a = 4 * 96, 128 + 20  # StudioGAN's CIFAR-10 net: g_conv_dim 96, shared 128, 80 / 4 of z
    block = 2 * 9 * w * w + w * w + 3 * w + 2 * 2 * a * w  # convs, 1x1, biases, two norms
    dense = 20 * 16 * w + 16 * w
    assert model.generator.latent_dim == 80
    assert count(model.generator) == 10 * 128 + dense + 3 * block + 2 * w + w * 3 * 9 + 3
    v = 2 * 96
    down = 2 * 9 * v * v + 2 * v
    first = 3 * v * 9 + 9 * v * v + 3 * v + 3 * v
    heads = v + 1 + v * 512 + 512 + 10 * 512
    assert count(model.discriminator) == first + (down + v * v + v) + 2 * down + heads


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


@pytest.mark.parametrize("size", [32, 64, 128])
def test_shapes_and_the_sphere(size):
    model = built(size)
    label = torch.tensor([0, 1, 1])
    image = model.generator(torch.randn(3, model.generator.latent_dim), label)
    assert image.shape == (3, 3, size, size) and image.abs().max() <= 1
    logits, points = model.discriminator.both(image)
    assert logits.shape == (3,) and points.shape == (3, 8)
    assert torch.allclose(points.norm(dim=1), torch.ones(3))


def test_every_block_reads_the_class_and_its_piece_of_z():
    model = built().eval()
    label, z = torch.tensor([0]), torch.randn(1, 16)
    image = model.generator(z, label)
    assert not torch.equal(image, model.generator(z, 1 - label))
    for piece in range(4):
        other = z.clone()
        other[:, 4 * piece] += 1
        assert not torch.equal(image, model.generator(other, label))


def test_each_step_learns_the_class_of_its_own_images():
    model = built(loss={"kind": "hinge"})
    label = torch.tensor([0, 1])
    fake = model.generator(torch.randn(2, 16), label)
    _, points = model.discriminator.both(fake)
    model.class_loss(points, label).backward()
    assert model.generator.embed.weight.grad.any() and model.discriminator.proxy.weight.grad.any()
    assert model.discriminator.logit.parametrizations.weight.original.grad is None


def test_every_layer_of_the_discriminator_is_bounded():
    model = built()
    model.discriminator.train()
    for _ in range(60):  # each pass takes one step of the power iteration
        model.discriminator(torch.randn(2, 3, 32, 32))
    model.discriminator.eval()
    layers = [m for m in model.discriminator.modules() if hasattr(m, "parametrizations")]
    assert len(layers) == 4 * 2 + 2 + 2  # convs, shortcuts, both heads
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2) < 1.05


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
    with pytest.raises(ValueError, match=r"--set model\.loss\.mismatch=0"):
        built(loss={"mismatch": 0.5})
