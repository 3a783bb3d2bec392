"""Vanilla GAN against its paper: parameter counts, layers, both objectives, settings."""

import math

import pytest
import torch
from ganzoo_gan.config import VanillaGANConfig
from ganzoo_gan.model import VanillaGAN
from torch import nn
from training_helpers import make_trainer, num_params

from ganzoo_core import config
from ganzoo_core.interfaces import DataInfo, SeededRng
from ganzoo_core.layers import Maxout


def build(image_size=28, num_channels=1, **options):
    info = DataInfo(image_size=image_size, num_channels=num_channels)
    return VanillaGAN(VanillaGANConfig(**options), info)


@pytest.mark.parametrize("name", ["paper", "paper-minimax"])
def test_paper_presets(name):
    tree = config.build_config("gan", preset=name)
    info = DataInfo(image_size=tree.data.image_size, num_channels=tree.data.num_channels)
    model = VanillaGAN(tree.model, info)
    assert (num_params(model.generator), num_params(model.discriminator)) == (2_503_984, 1_231_441)
    assert tree.train.batch_size == 100
    assert tree.model.loss.kind == ("bce", "minimax")["mini" in name]
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.kind, optim.lr, optim.momentum) == ("sgd", 0.1, 0.5)
    z = model.generator.sample_latent(20, SeededRng(torch.device("cpu"), 0))
    assert z.shape == (20, 100)
    assert -1 <= z.min() < -0.9 and 0.9 < z.max() <= 1


def test_layer_sizes():
    model = build()
    linears = [m for m in model.generator.layers if isinstance(m, nn.Linear)]
    sizes = [(m.in_features, m.out_features) for m in linears]
    assert sizes == [(100, 1200), (1200, 1200), (1200, 784)]
    maxouts = [m for m in model.discriminator.modules() if isinstance(m, Maxout)]
    assert [(m.linear.in_features, m.linear.out_features, m.num_pieces) for m in maxouts] == [
        (784, 1200, 5),
        (240, 1200, 5),
    ]
    assert [m.p for m in model.discriminator.modules() if isinstance(m, nn.Dropout)] == [0.5] * 3


@pytest.mark.parametrize(("image_size", "num_channels"), [(16, 3), (33, 1)])
def test_any_image_size(image_size, num_channels):
    model = build(image_size, num_channels, hidden_dim=16, maxout_units=4)
    images = model.sample(3)
    assert images.shape == (3, num_channels, image_size, image_size) and images.abs().max() <= 1
    assert model.discriminator(images).shape == (3,)


def test_minimax_gradient_vanishes_on_confident_fakes():
    """d/dl of log(1 - sigma(l)) is -sigma(l); of -log sigma(l) it is sigma(l) - 1."""
    logit = torch.tensor([-12.0, 0.0], requires_grad=True)
    slopes = {}
    for kind in ("minimax", "bce"):
        model = build(loss={"kind": kind}, hidden_dim=8, maxout_units=4)
        (slopes[kind],) = torch.autograd.grad(2 * model.loss.generator_loss(logit), logit)
    sigma = torch.sigmoid(logit.detach())
    assert torch.allclose(slopes["minimax"], -sigma)
    assert torch.allclose(slopes["bce"], sigma - 1)


@pytest.mark.parametrize("name", VanillaGANConfig.presets)
def test_every_preset_builds(name):
    tree = config.build_config("gan", preset=name)
    (stage,) = VanillaGAN(tree.model, DataInfo(image_size=16)).stages()
    assert stage.batch.fields == ("image",)


@pytest.mark.parametrize("loss", ["minimax", "hinge"])
def test_losses_stay_finite_with_two_d_updates(loss, tmp_path):
    small = {"hidden_dim": 16, "maxout_units": 4, "latent_dim": 8}
    model = build(16, 3, d_updates=2, loss={"kind": loss}, **small)
    trainer = make_trainer(VanillaGAN, model=model, batch_size=8, steps=10, log_every=1)
    trainer.run(tmp_path)
    records = trainer.callback.records
    assert len(records) == 10
    assert all(math.isfinite(r[key]) for r in records for key in ("loss/d", "loss/g"))
