"""R3GAN: counts, filters, the start at zero, classes that count, and the checks of the zoo."""

import pytest
import torch
from ganzoo_r3gan.config import R3GANConfig
from ganzoo_r3gan.model import R3GAN, Block, Resample

from ganzoo_core import DataInfo
from ganzoo_core.testing import parametrize_with_checks


@parametrize_with_checks("r3gan")
def test_promises(check):
    check()


def count(net):
    return sum(p.numel() for p in net.parameters())


def built(size=32, classes=(), **options):
    torch.manual_seed(0)
    small = {"width": 16, "blocks": 1, "embedding": 8}
    return R3GAN(R3GANConfig(**{**small, **options}), DataInfo(size=size, classes=classes))


def test_parameters_at_the_papers_width():
    w, group = 768, 64  # a group of 32 is expanded to 64
    block = (2 * w * w + 2 * w) + (2 * w * group * 9 + 2 * w) + 2 * w * w
    model = built(width=w, blocks=2, embedding=w)
    ends = w * 3 + 3  # one 1x1 conv to or from colour, with its bias
    assert count(model.generator) == w * 16 + 64 * w + 8 * block + ends
    assert count(model.discriminator) == 8 * block + (3 * w + w) + w * 16 + w
    ten = built(width=w, blocks=2, embedding=w, classes=tuple("abcdefghij"))
    assert count(ten.generator) - count(model.generator) == 10 * w + w * w
    assert count(ten.discriminator) - count(model.discriminator) == 10 * w + w * w - w


@pytest.mark.parametrize("size", [32, 64, 128])
def test_shapes_at_every_size(size):
    model = built(size, ("a", "b"))
    label = torch.tensor([0, 1])
    image = model.generator(torch.randn(2, 64), label)
    assert image.shape == (2, 3, size, size) and image.abs().max() <= 1
    assert model.discriminator(image, label).shape == (2,)
    assert model.discriminator.features(image)[0].shape == (2, 16, 4, 4)


def test_resampling_is_by_the_filter_1_3_3_1():
    row = torch.tensor([1.0, 3, 3, 1])
    spike = torch.zeros(1, 1, 8, 8)
    spike[0, 0, 4, 4] = 1
    wide = Resample(1, 1, up=True)(spike)[0, 0]
    assert torch.equal(wide[7:11, 7:11], row[:, None] * row / 16) and wide.sum() == 4
    half = Resample(1, 1, up=False)(wide[None, None])[0, 0]
    flat = torch.nn.functional.conv2d(
        wide[None, None], (row[:, None] * row / 64)[None, None], None, 2, 1
    )
    assert torch.equal(half, flat[0, 0]) and half.sum() == 1


def test_residual_branches_begin_at_zero():
    block = Block(64, 8)
    x = torch.randn(2, 64, 4, 4)
    assert torch.equal(block(x), x)
    assert block.mix.groups == 2
    gain = (2 / 1.04) ** 0.5 * 8**-0.25
    assert block.widen.weight.std().item() * 64**0.5 == pytest.approx(gain, rel=0.05)


def test_the_class_counts_in_both_networks():
    model = built(classes=("a", "b"))
    z, image = torch.randn(1, 64), torch.randn(1, 3, 32, 32)
    a, b = torch.tensor([0]), torch.tensor([1])
    assert not torch.equal(model.discriminator(image, a), model.discriminator(image, b))
    assert not torch.equal(model.generator(z, a), model.generator(z, b))


def test_both_penalties_reach_every_weight_of_the_discriminator():
    model = built(**R3GANConfig.presets["tiny"]["model"])
    assert model.loss.pairs and len(model.loss.regularizers) == 2
    with torch.no_grad():
        for block in (m for m in model.discriminator.modules() if isinstance(m, Block)):
            torch.nn.init.normal_(block.narrow.weight, 0, 0.1)
    real, fake = torch.randn(4, 3, 32, 32), torch.randn(4, 3, 32, 32)
    model.loss.penalty(model.discriminator, real, fake, None).backward()
    moved = {n for n, p in model.discriminator.named_parameters() if p.grad is not None}
    lacking = {n for n, _ in model.discriminator.named_parameters()} - moved
    assert not lacking


def test_a_discriminator_that_begins_anew():
    model = built()
    before = [p.clone() for p in model.discriminator.parameters()]
    with torch.no_grad():
        model.discriminator.layers[1].narrow.weight.fill_(1)
    model.discriminator.begin()
    after = list(model.discriminator.parameters())
    assert not model.discriminator.layers[1].narrow.weight.any()
    drawn_anew = [not torch.equal(a, b) for a, b in zip(before, after, strict=True) if b.any()]
    assert all(drawn_anew)


@pytest.mark.parametrize("size", [16, 48])
def test_sizes_it_cannot_draw_are_refused(size):
    with pytest.raises(ValueError, match=r"data\.size=32"):
        built(size)
