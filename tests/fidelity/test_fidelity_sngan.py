"""SNGAN against the formulas of its papers and its authors' code (pfnet-research/sngan_projection,
revision e84b1a5)."""

import math

import pytest
import torch
from fidelity_helpers import (
    affine_batch_norm,
    assert_equals_formula,
    assert_std,
    batch_norm,
    conv3x3,
    count,
    double_size,
    halve_size,
    proves,
    randomize,
    spectral_weight,
)
from ganzoo_sngan.config import SNGANConfig
from ganzoo_sngan.model import SNGAN
from torch.nn.functional import relu

from ganzoo_core import DataInfo
from ganzoo_core.config import build_config
from ganzoo_core.losses import Hinge

EPS = 2e-5


def build(class_names=(), **options):
    torch.manual_seed(0)
    return SNGAN(SNGANConfig(**options), DataInfo(image_size=32, class_names=class_names))


@proves("sngan", "counts")
def test_parameter_counts():
    model = build()
    block = 256 * 256 * 9 * 2 + 256 * 256 + 3 * 256 + 4 * 256  # two convs, 1x1, biases, two norms
    stem = 128 * 256 * 16 + 256 * 16
    assert count(model.generator) == stem + 3 * block + 2 * 256 + 256 * 3 * 9 + 3
    block = 128 * 128 * 9 * 2 + 2 * 128
    first_block = 3 * 128 * 9 + 128 * 128 * 9 + 3 * 128 + 3 * 128
    down_block = block + 128 * 128 + 128
    assert count(model.discriminator) == first_block + down_block + 2 * block + 128
    conditional = build(class_names=tuple("abcdefghij"))
    assert count(conditional.discriminator) - count(model.discriminator) == 10 * 128
    norms = 6 * 2 * 256 * (10 - 1)  # scale and shift for each class
    assert count(conditional.generator) - count(model.generator) == norms


def generator_formula(state, z, label):
    def norm(name, x):
        scale, shift = (state[f"{name}.{key}.weight"][label] for key in ("scale", "shift"))
        return batch_norm(x, EPS) * scale[:, :, None, None] + shift[:, :, None, None]

    x = (z @ state["stem.weight"].T + state["stem.bias"]).view(len(z), -1, 4, 4)
    for i in range(3):
        name = f"blocks.{i}"
        h = conv3x3(state, f"{name}.conv1", double_size(relu(norm(f"{name}.norm1", x))))
        h = conv3x3(state, f"{name}.conv2", relu(norm(f"{name}.norm2", h)))
        x = h + conv3x3(state, f"{name}.shortcut", double_size(x))
    x = relu(affine_batch_norm(state, "norm", x, EPS))
    return torch.tanh(conv3x3(state, "head", x))


def discriminator_formula(state, image, label):
    def convs(name, x):
        return conv3x3(state, f"{name}.conv2", relu(conv3x3(state, f"{name}.conv1", x)))

    h = convs("blocks.0", image)
    x = halve_size(h) + conv3x3(state, "blocks.0.shortcut", halve_size(image))
    h = convs("blocks.1", relu(x))
    x = halve_size(h) + halve_size(conv3x3(state, "blocks.1.shortcut", x))
    for name in ("blocks.2", "blocks.3"):
        x = x + convs(name, relu(x))
    h = relu(x).sum((2, 3))
    return h @ spectral_weight(state, "head")[0] + (
        h * spectral_weight(state, "class_embed")[label]
    ).sum(1)


@proves("sngan", "forward")
def test_networks_equal_formulas():
    model = build(("a", "b"), g_channels=4, d_channels=4, latent_dim=5).double()
    label = torch.tensor([0, 1, 1])
    z, image = torch.randn(3, 5).double(), torch.randn(3, 3, 32, 32).double()
    assert_equals_formula(randomize(model.generator), generator_formula, z, label)
    d = model.discriminator.eval()  # the power iteration stands still
    assert_equals_formula(d, discriminator_formula, image, label)


@proves("sngan", "losses")
def test_losses_equal_formulas():
    real, fake = torch.randn(2, 50)
    expected = sum(max(0, 1 - x) for x in real.tolist()) + sum(max(0, 1 + x) for x in fake.tolist())
    assert Hinge().discriminator_loss(real, fake).item() == pytest.approx(expected / 50, rel=1e-5)
    assert Hinge().generator_loss(fake).item() == pytest.approx(-sum(fake.tolist()) / 50, rel=1e-4)


def test_initial_weights():
    """Xavier uniform, with gain sqrt(2) in the 3x3 convs of the residual blocks."""
    model = build(tuple("abcdefghij"))
    g, d = model.generator, model.discriminator
    for block in g.blocks:
        for conv in (block.conv1, block.conv2):
            assert_std(conv.weight, math.sqrt(2) * math.sqrt(2 / (9 * 512)))
        assert_std(block.shortcut.weight, math.sqrt(2 / 512))
    assert_std(g.stem.weight, math.sqrt(2 / (128 + 4096)))
    assert_std(g.head.weight, math.sqrt(2 / (9 * 259)))
    for name, parameter in d.named_parameters():
        if name.endswith("conv2.parametrizations.weight.original"):
            assert_std(parameter, math.sqrt(2) * math.sqrt(2 / (9 * 256)))
    original = d.class_embed.parametrizations.weight.original
    assert original.std().item() == pytest.approx(math.sqrt(2 / 138), rel=0.06)
    assert not any(p.any() for name, p in model.named_parameters() if name.endswith("bias"))


def test_recipe():
    tree = build_config("sngan", preset="paper")
    model, train = tree.model, tree.train
    assert model.optim_d == model.optim_g
    assert (model.optim_d.lr, model.optim_d.betas) == (2e-4, (0.0, 0.9))
    assert (model.d_updates, model.g_batch_factor) == (5, 2)
    assert (train.batch_size, train.steps, train.lr_scheduler) == (64, 50_000, "linear")
