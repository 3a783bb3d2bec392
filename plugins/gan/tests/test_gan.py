"""The first GAN against its paper: counts, shapes, both objectives, settings."""

import math

import pytest
import torch
from ganzoo_gan.config import FirstGANConfig
from ganzoo_gan.model import FirstGAN, Maxout
from torch import nn
from workbench import trainer

from ganzoo_core import config
from ganzoo_core.interfaces import DataInfo


def build(size=28, channels=1, **options):
    return FirstGAN(FirstGANConfig(**options), DataInfo(size=size, channels=channels))


def count(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("name", ["paper", "paper-minimax"])
def test_the_paper(name):
    tree = config.build("gan", preset=name)
    model = FirstGAN(tree.model, DataInfo(size=tree.data.size, channels=tree.data.channels))
    assert (count(model.generator), count(model.discriminator)) == (2_503_984, 1_231_441)
    assert tree.train.batch == 100 and tree.model.loss.kind == ("bce", "minimax")["mini" in name]
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.kind, optim.lr, optim.momentum) == ("sgd", 0.1, 0.5)
    z = model.generator.latent(lambda *shape, kind: torch.full(shape, float(kind == "uniform")), 2)
    assert z.shape == (2, 100) and z.all()


def test_the_layers():
    model = build()
    widths = [
        (m.in_features, m.out_features) for m in model.generator.layers if isinstance(m, nn.Linear)
    ]
    assert widths == [(100, 1200), (1200, 1200), (1200, 784)]
    maxouts = [m for m in model.discriminator.modules() if isinstance(m, Maxout)]
    assert [(m.linear.in_features, m.linear.out_features, m.pieces) for m in maxouts] == [
        (784, 1200, 5),
        (240, 1200, 5),
    ]
    assert [m.p for m in model.discriminator.modules() if isinstance(m, nn.Dropout)] == [0.5] * 3


def test_a_maxout_unit_is_its_largest_piece():
    layer = Maxout(1, 2, 3)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0], [-2], [0], [3], [0], [0]]))
        layer.linear.bias.copy_(torch.tensor([0.0, 0, -1, 0, 5, 0]))
    assert layer(torch.tensor([[1.0], [-1.0]])).tolist() == [[1, 5], [2, 5]]


@pytest.mark.parametrize(("size", "channels"), [(16, 3), (33, 1)])
def test_any_size(size, channels):
    model = build(size, channels, hidden=16, units=4)
    images = model.sample(3)
    assert images.shape == (3, channels, size, size) and images.abs().max() <= 1
    assert model.discriminator(images).shape == (3,)


def test_the_minimax_gradient_vanishes_where_d_wins_and_the_other_does_not():
    """d/dl of log(1 - sigma(l)) is -sigma(l); of -log sigma(l) it is sigma(l) - 1."""
    logit = torch.tensor([-12.0, 0.0], requires_grad=True)
    slopes = {}
    for kind in ("minimax", "bce"):
        loss = 2 * build(loss={"kind": kind}, hidden=8, units=4).loss.g(logit)
        (slopes[kind],) = torch.autograd.grad(loss, logit)
    sigma = torch.sigmoid(logit.detach())
    assert torch.allclose(slopes["minimax"], -sigma)
    assert torch.allclose(slopes["bce"], sigma - 1)


@pytest.mark.parametrize("name", FirstGANConfig.presets)
def test_every_preset_builds(name):
    tree = config.build("gan", preset=name)
    (stage,) = FirstGAN(tree.model, DataInfo(size=16)).stages()
    assert stage.draw.fields == ("image",)


@pytest.mark.parametrize("loss", ["minimax", "hinge"])
def test_ten_finite_rounds_of_two_d_steps(loss, tmp_path):
    model = build(16, 3, hidden=16, units=4, latent=8, d_steps=2, loss={"kind": loss})
    run = trainer(FirstGAN, model=model, batch=8, steps=10, log_every=1)
    run.run(tmp_path)
    assert len(run.watcher.records) == 10
    assert all(math.isfinite(r[key]) for r in run.watcher.records for key in ("d", "g"))
