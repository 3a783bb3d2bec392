"""R3GAN against the formulas of its paper and the numbers of its authors' code (brownvc/R3GAN,
revision 19a7ddf)."""

import math

import pytest
import torch
from fidelity_helpers import assert_equals_formula, assert_std, count, proves, randomize
from ganzoo_r3gan.config import R3GANConfig
from ganzoo_r3gan.model import R3GAN, ResidualBlock
from torch.nn import functional as F

from ganzoo_core import DataInfo
from ganzoo_core.config import build_config
from ganzoo_core.losses import Relativistic, r1

TEN = tuple("abcdefghij")


def build(image_size=32, class_names=(), **options):
    torch.manual_seed(0)
    return R3GAN(R3GANConfig(**options), DataInfo(image_size=image_size, class_names=class_names))


@proves("r3gan", "counts")
@pytest.mark.parametrize(
    ("image_size", "class_names", "g", "d"),
    [
        (32, (), 20_732_160, 20_683_776),
        (32, TEN, 20_781_952, 21_280_512),
        (256, (), 23_057_952, 23_009_568),  # FFHQ-256
    ],
)
def test_parameter_counts(image_size, class_names, g, d):
    with torch.device("meta"):
        model = build(image_size, class_names)
    assert (count(model.generator), count(model.discriminator)) == (g, d)


def resampling_matrix(size):
    """Return [2 size, size]: zeros between the values, then the filter [1 3 3 1] / 4."""
    matrix = torch.zeros(2 * size, size, dtype=torch.float64)
    for column in range(size):
        for tap, weight in enumerate((1, 3, 3, 1)):
            row = 2 * column - 1 + tap
            if 0 <= row < 2 * size:
                matrix[row, column] = weight / 4
    return matrix


def resample(x, up):
    size = x.shape[-1] if up else x.shape[-1] // 2
    matrix = resampling_matrix(size)
    return matrix @ x @ matrix.T if up else matrix.T @ x @ matrix / 4


def residual_block(state, name, x, groups):
    h = F.conv2d(x, state[f"{name}.expand.weight"]) + state[f"{name}.expand.bias"].view(1, -1, 1, 1)
    h = torch.where(h > 0, h, 0.2 * h)
    parts = zip(h.chunk(groups, 1), state[f"{name}.grouped_conv.weight"].chunk(groups), strict=True)
    h = torch.cat([F.conv2d(part, weight, padding=1) for part, weight in parts], 1)
    h = h + state[f"{name}.grouped_conv.bias"].view(1, -1, 1, 1)
    return x + F.conv2d(torch.where(h > 0, h, 0.2 * h), state[f"{name}.project.weight"])


def transition(state, name, x, up):
    weight = state.get(f"{name}.proj.weight")
    x = x if up else resample(x, up)
    x = x if weight is None else torch.einsum("oi,nihw->nohw", weight[:, :, 0, 0], x)
    return resample(x, up) if up else x


def generator_formula(state, z, label):
    one_hot = torch.eye(2, dtype=z.dtype)[label]
    z = torch.cat([z, one_hot @ state["class_embed.weight"]], 1)
    x = torch.einsum("ni,wi,whv->nwhv", z, state["z_proj.weight"], state["basis"])
    layer, groups = 0, (4, 4, 4, 4, 2)  # 32 32 32 32 16 channels, 16 in each group of twice as many
    for stage, group in enumerate(groups):
        if stage:
            x, layer = transition(state, f"layers.{layer}", x, up=True), layer + 1
        x, layer = residual_block(state, f"layers.{layer}", x, group), layer + 1
    return F.conv2d(x, state[f"layers.{layer}.weight"])


def discriminator_formula(state, image, label):
    x, layer = F.conv2d(image, state["layers.0.weight"]), 1
    for group in (2, 4, 4, 4, 4):
        x, layer = residual_block(state, f"layers.{layer}", x, group), layer + 1
        if x.shape[-1] > 4:
            x, layer = transition(state, f"layers.{layer}", x, up=False), layer + 1
    h = torch.einsum("nwhv,whv,ew->ne", x, state["basis"], state["head.weight"])
    return (h * (torch.eye(2, dtype=x.dtype)[label] @ state["class_embed.weight"])).sum(1)


@proves("r3gan", "forward")
def test_networks_equal_formulas():
    model = build(64, ("a", "b"), base_channels=32, blocks_per_resolution=1, latent_dim=6)
    model, label = randomize(model.double()), torch.tensor([0, 1])
    z, image = torch.randn(2, 6).double(), torch.randn(2, 3, 64, 64).double()
    assert_equals_formula(model.generator, generator_formula, z, label)
    assert_equals_formula(model.discriminator, discriminator_formula, image, label)


@proves("r3gan", "losses")
def test_losses_equal_formulas():
    """softplus of the logit differences, and gamma / 2 times the squared input gradients."""
    d = randomize(build(base_channels=16, blocks_per_resolution=1).double().discriminator)
    real, fake = torch.randn(2, 4, 3, 32, 32).double()
    real_logits, fake_logits = d(real), d(fake)
    expected = torch.log1p(torch.exp(fake_logits - real_logits)).mean()
    loss = Relativistic().discriminator_loss(real_logits, fake_logits)
    torch.testing.assert_close(loss, expected.float())
    torch.testing.assert_close(Relativistic().generator_loss(real_logits, fake_logits), loss)
    d.float()
    images = real.float().requires_grad_()
    (gradient,) = torch.autograd.grad(d(images).sum(), images)
    penalty = 0.5 * sum(g.square().sum() for g in gradient) / 4
    torch.testing.assert_close(r1(d, real.float()).detach(), penalty)


@proves("r3gan", "init")
def test_initial_weights():
    model = build(class_names=TEN)
    fixup = math.sqrt(2 / 1.04) * 8**-0.25  # eight blocks of three layers
    for network in (model.generator, model.discriminator):
        for block in (m for m in network.modules() if isinstance(m, ResidualBlock)):
            assert block.grouped_conv.groups == 96
            assert_std(block.expand.weight, fixup / math.sqrt(768))
            assert_std(block.grouped_conv.weight, fixup / math.sqrt(16 * 9))
            biases = block.expand.bias, block.grouped_conv.bias
            assert not any(t.any() for t in (*biases, block.project.weight))
    g, d = model.generator, model.discriminator
    assert_std(g.basis, 1)
    assert_std(g.z_proj.weight, 1 / math.sqrt(128))
    assert_std(d.basis, 1 / 4)
    assert_std(d.head.weight, 1 / math.sqrt(768))
    assert_std(d.class_embed.weight, 1 / math.sqrt(10 * 768))
    many = torch.cat([build_embedding() for _ in range(30)])
    assert_std(many, 0.316)


def build_embedding():
    options = {"base_channels": 8, "blocks_per_resolution": 1}
    model = R3GAN(R3GANConfig(**options), DataInfo(image_size=32, class_names=TEN))
    return model.generator.class_embed.weight.detach()


@proves("r3gan", "init")
def test_initial_gradient_of_d():
    """E |grad D|^2 = 0.000415 over the initial weights; the residual branches are zero."""
    d, values = build(class_names=TEN, blocks_per_resolution=1).discriminator, []
    blocks = [layer for layer in d.layers if isinstance(layer, ResidualBlock)]
    assert not any(block.project.weight.any() for block in blocks)
    d.layers = torch.nn.Sequential(*(layer for layer in d.layers if layer not in blocks))
    images = torch.zeros(5, 3, 32, 32, requires_grad=True)
    for seed in range(4):
        torch.manual_seed(seed)
        d.reset_parameters()
        (gradient,) = torch.autograd.grad(d(images, torch.arange(5)).sum(), images)
        values.append(gradient.square().sum((1, 2, 3)).mean().item())
    assert sum(values) / len(values) == pytest.approx(0.000415, rel=0.1)


def test_recipe():
    """train.py of the authors, preset CIFAR10."""
    tree = build_config("r3gan", preset="paper")
    model = tree.model
    assert (model.optim_d.lr, model.optim_g.betas) == (2e-4, (0.0, 0.99))
    assert (model.terms["r1"].weight, model.terms["r2"].weight) == (0.05, 0.05)
    assert (model.ema_halflife_images, model.burn_in_images) == (5_000_000, 20_000_000)
    assert (model.augment, model.augment_p, model.mirror) == ("scheduled", 0.55, True)
    assert (tree.train.batch_size, tree.data.name) == (512, "cifar10")
