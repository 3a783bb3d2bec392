"""SNGAN: the paper's sizes, bounded layers, classes that count, and the checks of the zoo."""

import pytest
import torch
from ganzoo_sngan.config import SNGANConfig
from ganzoo_sngan.model import SNGAN
from torch import nn

from ganzoo_core import DataInfo
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("sngan")
def test_promises(check):
    check()


def count(net):
    return sum(p.numel() for p in net.parameters())


def built(size=32, classes=(), **options):
    torch.manual_seed(0)
    return SNGAN(SNGANConfig(**options), DataInfo(size=size, classes=classes))


def test_parameters_of_the_papers_networks():
    model = built()
    block = 256 * 256 * 9 * 2 + 256 * 256 + 3 * 256 + 4 * 256  # two convs, 1x1, biases, two norms
    dense = 128 * 256 * 16 + 256 * 16
    assert count(model.generator) == dense + 3 * block + 2 * 256 + 256 * 3 * 9 + 3
    down = 128 * 128 * 9 * 2 + 2 * 128
    first = 3 * 128 * 9 + 128 * 128 * 9 + 3 * 128 + 3 * 128
    halving = down + 128 * 128 + 128
    assert count(model.discriminator) == first + halving + 2 * down + 128 + 1
    ten = built(classes=tuple("abcdefghij"))
    assert count(ten.discriminator) - count(model.discriminator) == 10 * 128
    norms = 6  # their scale and shift, for each class
    assert count(ten.generator) - count(model.generator) == norms * 2 * 256 * (10 - 1)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_shapes_at_every_size(size):
    model = built(size, ("a", "b"), width=16, d_width=16)
    label = torch.tensor([0, 1])
    image = model.generator(torch.zeros(2, 128), label)
    assert image.shape == (2, 3, size, size) and image.abs().max() <= 1
    assert model.discriminator(image, label).shape == (2,)
    assert model.discriminator.features(image)[0].shape == (2, 16, 8, 8)


def test_every_layer_of_the_discriminator_is_bounded():
    model = built(classes=("a", "b"), d_width=8)
    model.discriminator.train()
    for _ in range(60):  # each pass takes one step of the power iteration
        model.discriminator(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]))
    model.discriminator.eval()
    layers = [m for m in model.discriminator.modules() if hasattr(m, "parametrizations")]
    assert len(layers) == 4 * 2 + 2 + 2  # convs, shortcuts, linear and embedding
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2) < 1.05
    kinds = (nn.Conv2d, nn.Linear, nn.Embedding)
    assert len(layers) == sum(isinstance(m, kinds) for m in model.discriminator.modules())


def test_the_class_counts_in_both_networks():
    model = built(classes=("a", "b"), width=8, d_width=8).eval()
    z, image = torch.randn(1, 128), torch.randn(1, 3, 32, 32)
    a, b = torch.tensor([0]), torch.tensor([1])
    assert not torch.equal(model.discriminator(image, a), model.discriminator(image, b))
    with torch.no_grad():
        model.generator.blocks[0].norm1.shift.weight[1] = 1
    assert not torch.equal(model.generator(z, a), model.generator(z, b))


def test_a_discriminator_that_begins_anew():
    model = built(d_width=8)
    before = model.discriminator.linear.weight.clone()
    model.discriminator.begin()
    assert not torch.equal(before, model.discriminator.linear.weight)


@pytest.mark.parametrize("size", [16, 48])
def test_sizes_it_cannot_draw_are_refused(size):
    with pytest.raises(ValueError, match=r"data\.size=32"):
        built(size)
