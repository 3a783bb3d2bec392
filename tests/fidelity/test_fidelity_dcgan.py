"""DCGAN, cgan and age-cgan against the formulas of DCGAN and the source report; counts of the
authors' networks at 64 px (soumith/dcgan.torch, 100-dimensional z)."""

import torch
from fidelity_helpers import affine_batch_norm, assert_equals_formula, assert_std, count, proves
from ganzoo_age_cgan.config import AgeCGANConfig
from ganzoo_age_cgan.model import AgeCGAN
from ganzoo_cgan.config import CGANConfig
from ganzoo_cgan.model import CGAN
from ganzoo_dcgan.config import DCGANConfig
from ganzoo_dcgan.model import DCGAN
from torch import nn
from torch.nn import functional as F

from ganzoo_core import DataInfo
from ganzoo_core.config import build_config

SIX = ("18", "29", "39", "49", "59", "60+")


def build(model_class, config, class_names=(), image_size=64):
    torch.manual_seed(0)
    return model_class(config, DataInfo(image_size=image_size, class_names=class_names))


@proves("dcgan", "counts")
def test_parameter_counts_of_dcgan():
    model = build(DCGAN, DCGANConfig())
    assert (count(model.generator), count(model.discriminator)) == (3_576_704, 2_765_568)


@proves("cgan", "counts")
def test_parameter_counts_of_cgan():
    """The report's notebook prints them."""
    model = build(CGAN, CGANConfig(), SIX)
    assert (count(model.generator), count(model.discriminator)) == (3_625_856, 2_777_856)


def generator_formula(state, z, label=None):
    """Four transposed convs with BatchNorm and ReLU, at 32 px, then one with tanh."""
    if label is not None:
        z = torch.cat([z, torch.eye(6, dtype=z.dtype)[label]], 1)
    x = torch.einsum("ni,iohw->nohw", z, state["layers.0.weight"])
    x = F.relu(affine_batch_norm(state, "layers.1", x))
    for i in (3, 6):
        x = transposed_conv(x, state[f"layers.{i}.weight"])
        x = F.relu(affine_batch_norm(state, f"layers.{i + 1}", x))
    return torch.tanh(transposed_conv(x, state["layers.9.weight"]))


def transposed_conv(x, weight):
    """Return [N, out, 2h, 2w]: zeros between the values, then a conv with the mirrored kernel."""
    n, channels, height, width = x.shape
    spread = x.new_zeros(n, channels, 2 * height, 2 * width)
    spread[..., ::2, ::2] = x
    spread = F.pad(spread, (2, 1, 2, 1))
    return F.conv2d(spread, weight.transpose(0, 1).flip(2, 3))


def one_hot_maps(label, like):
    maps = torch.eye(6, dtype=like.dtype)[label][:, :, None, None]
    return maps * torch.ones_like(like[:1, :1])


def dcgan_discriminator_formula(state, image):
    x = leaky(F.conv2d(image, state["body.0.weight"], stride=2, padding=1))
    for i in (2, 5):
        x = F.conv2d(x, state[f"body.{i}.weight"], stride=2, padding=1)
        x = leaky(affine_batch_norm(state, f"body.{i + 1}", x))
    return (x * state["head.weight"]).sum((1, 2, 3))


def leaky(x):
    return torch.where(x > 0, x, 0.2 * x)


def cgan_discriminator_formula(state, image, label):
    x = F.relu(F.conv2d(image, state["stem.0.weight"], stride=2, padding=1))
    x = torch.cat([x, one_hot_maps(label, x)], 1)
    for i in (0, 3):
        x = F.conv2d(x, state[f"body.{i}.weight"], stride=2, padding=1)
        x = F.relu(affine_batch_norm(state, f"body.{i + 1}", x))
    return (x * state["head.weight"]).sum((1, 2, 3))


def age_cgan_discriminator_formula(state, image, label):
    x = leaky(F.conv2d(image, state["stem.0.weight"], stride=2, padding=1))
    x = torch.cat([x, one_hot_maps(label, x)], 1)
    for i in (0, 3):
        x = F.conv2d(x, state[f"body.{i}.weight"], stride=2, padding=1)
        x = leaky(affine_batch_norm(state, f"body.{i + 1}", x))
    return (x * state["body.6.weight"]).sum((1, 2, 3))


Z, IMAGE, LABEL = torch.randn(4, 7).double(), torch.rand(4, 3, 32, 32).double(), torch.arange(4)


@proves("dcgan", "forward")
def test_dcgan_equals_formulas():
    model = build(DCGAN, DCGANConfig(base_channels=4, latent_dim=7), image_size=32).double()
    assert_equals_formula(model.generator, generator_formula, Z)
    assert_equals_formula(model.discriminator, dcgan_discriminator_formula, IMAGE)


@proves("cgan", "forward")
def test_cgan_equals_formulas():
    model = build(CGAN, CGANConfig(base_channels=4, latent_dim=7), SIX, 32).double()
    assert_equals_formula(model.generator, generator_formula, Z, LABEL)
    assert_equals_formula(model.discriminator, cgan_discriminator_formula, IMAGE, LABEL)


def test_age_cgan_equals_formulas():
    model = build(AgeCGAN, AgeCGANConfig(base_channels=4, latent_dim=7), SIX, 32).double()
    assert_equals_formula(model.generator, generator_formula, Z, LABEL)
    assert_equals_formula(model.discriminator, age_cgan_discriminator_formula, IMAGE, LABEL)


@proves("dcgan", "init")
def test_initial_weights_of_dcgan():
    model = build(DCGAN, DCGANConfig())
    for network in (model.generator, model.discriminator):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                if layer.weight.numel() > 8000:
                    assert_std(layer.weight, 0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                assert abs(layer.weight.mean().item() - 1) < 0.01 and not layer.bias.any()


@proves("dcgan", "recipe")
def test_recipe_of_dcgan():
    tree = build_config("dcgan", preset="paper")
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.lr, optim.betas) == (2e-4, (0.5, 0.999))
    assert (tree.train.batch_size, tree.model.prior, tree.model.latent_dim) == (128, "uniform", 100)
    assert tree.model.loss.kind == "bce"
