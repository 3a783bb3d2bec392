"""pix2pix and CycleGAN against their authors' code (junyanz/pytorch-CycleGAN-and-pix2pix at
000f298, models/networks.py) and the formulas of their papers."""

import pytest
import torch
from fidelity_helpers import assert_equals_formula, assert_std, batch_norm, count, proves
from ganzoo_image_translation.config import CycleGANConfig, Pix2PixConfig
from ganzoo_image_translation.cyclegan import CycleGAN
from ganzoo_image_translation.networks import (
    INSTANCE_NORM,
    PatchDiscriminator,
    ResNetGenerator,
    UNet,
)
from ganzoo_image_translation.pix2pix import Pix2Pix
from torch import nn
from torch.nn import functional as F
from training_helpers import FakeStepContext

from ganzoo_core import Batch, DataInfo
from ganzoo_core.config import build_config


def build(model, config, image_size, **options):
    torch.manual_seed(0)
    info = DataInfo(image_size=image_size, class_names=("a", "b"))
    return model(config(**options), info)


@proves("pix2pix", "counts")
def test_pix2pix_counts():
    """54.414 M and 2.769 M, as the authors' code prints them."""
    with torch.device("meta"):
        model = build(Pix2Pix, Pix2PixConfig, 256)
    assert round(count(model.generator) / 1e6, 3) == 54.414
    assert round(count(model.discriminator) / 1e6, 3) == 2.769


@proves("cyclegan", "counts")
def test_cyclegan_counts():
    """11.378 M and 2.765 M, as the authors' code prints them."""
    with torch.device("meta"):
        model = build(CycleGAN, CycleGANConfig, 256)
    assert round(count(model.to_a) / 1e6, 3) == 11.378
    assert round(count(model.d_a) / 1e6, 3) == 2.765


def conv(state, name, x, stride=1, padding=0):
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding)


def leaky(x):
    return torch.where(x > 0, x, 0.2 * x)


def affine(state, name, x):
    scale, shift = (state[f"{name}.{key}"].view(1, -1, 1, 1) for key in ("weight", "bias"))
    return batch_norm(x, 1e-5) * scale + shift


def instance_norm(x):
    mean = x.mean((2, 3), keepdim=True)
    variance = (x - mean).square().mean((2, 3), keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def unet_formula(state, x):
    """A block is an encoder layer, the block inside it, and a decoder layer: the authors nest
    them, and each returns its input beside its output."""

    def block(i, x):
        h = conv(state, f"encoder.{i}.{1 if i else 0}", leaky(x) if i else x, 2, 1)
        if i == 4:  # 1 px
            inner = h
        else:
            h = affine(state, f"encoder.{i}.2", h) if i else h
            inner = torch.cat([h, block(i + 1, h)], 1)
        name = f"decoder.{4 - i}"
        h = F.conv_transpose2d(
            inner.relu(), state[f"{name}.1.weight"], state.get(f"{name}.1.bias"), 2, 1
        )
        return affine(state, f"{name}.2", h) if i else torch.tanh(h)

    return block(0, x)


def resnet_formula(state, x):
    def padded(name, x, p):
        return conv(state, name, F.pad(x, (p, p, p, p), mode="reflect"))

    h = instance_norm(padded("layers.1", x, 3)).relu()
    for i in (4, 7):
        h = instance_norm(conv(state, f"layers.{i}", h, 2, 1)).relu()
    for i in (10, 11):
        inner = instance_norm(padded(f"layers.{i}.layers.1", h, 1)).relu()
        h = h + instance_norm(padded(f"layers.{i}.layers.5", inner, 1))
    for i in (12, 15):
        weight, bias = state[f"layers.{i}.weight"], state[f"layers.{i}.bias"]
        h = instance_norm(F.conv_transpose2d(h, weight, bias, 2, 1, 1)).relu()
    return torch.tanh(padded("layers.19", h, 3))


def patch_formula(state, x, norm):
    h = leaky(conv(state, "layers.0", x, 2, 1))
    for i, stride in ((2, 2), (5, 2), (8, 1)):
        h = leaky(norm(f"layers.{i + 1}", conv(state, f"layers.{i}", h, stride, 1)))
    return conv(state, "layers.11", h, 1, 1)


@proves("pix2pix", "forward")
def test_pix2pix_networks_equal_formulas():
    unet = UNet(3, 2, 5, 0.0).double()
    assert_equals_formula(unet, unet_formula, torch.randn(2, 3, 32, 32).double())
    d = PatchDiscriminator(6, 2, 3, nn.BatchNorm2d).double()
    assert_equals_formula(
        d,
        lambda state, x: patch_formula(state, x, lambda *args: affine(state, *args)),
        torch.randn(2, 6, 32, 32).double(),
    )


@proves("cyclegan", "forward")
def test_cyclegan_networks_equal_formulas():
    generator = ResNetGenerator(3, 2, 2).double()
    assert_equals_formula(generator, resnet_formula, torch.randn(2, 3, 16, 16).double())
    d = PatchDiscriminator(3, 2, 3, INSTANCE_NORM).double()
    image = torch.randn(2, 3, 64, 64).double()
    assert_equals_formula(
        d, lambda state, x: patch_formula(state, x, lambda name, h: instance_norm(h)), image
    )


def test_dropout_is_in_the_three_inner_layers_of_256_px():
    with torch.device("meta"):
        unet = UNet(3, 64, 8, 0.5)
    found = [i for i, b in enumerate(unet.decoder) if any(isinstance(m, nn.Dropout) for m in b)]
    assert found == [1, 2, 3]


@proves("pix2pix", "init")
@proves("cyclegan", "init")
def test_initial_weights():
    for network in (UNet(3, 16, 5, 0.5), ResNetGenerator(3, 16, 2)):
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.weight.numel() > 4000:
                assert_std(module.weight, 0.02)
                assert module.bias is None or not module.bias.any(), name


def context(model):
    image, target = torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32)
    label = torch.tensor([0, 0])
    batch = Batch(
        size=2, image=image, label=label, target=Batch(size=2, image=target, label=1 - label)
    )
    ctx = FakeStepContext(batch)
    ctx.all_gather_rows = lambda rows: rows
    return ctx, image, target


SMALL = {"g_channels": 2, "d_channels": 2, "d_layers": 2, "jitter": 0, "mirror": False}


@proves("pix2pix", "losses")
def test_pix2pix_losses_equal_formulas():
    model = build(Pix2Pix, Pix2PixConfig, 32, dropout=0.0, **SMALL)
    ctx, x, y = context(model)
    fake = model.generator(x)
    real_logits = model.discriminator(torch.cat([x, y], 1))
    fake_logits = model.discriminator(torch.cat([x, fake], 1))
    expected = -0.5 * (real_logits.sigmoid().log() + (1 - fake_logits.sigmoid()).log()).mean()
    torch.testing.assert_close(model.discriminator_loss(ctx), expected)
    expected = -fake_logits.sigmoid().log().mean() + 100 * (y - fake).abs().mean()
    torch.testing.assert_close(model.generator_loss(ctx), expected)


@proves("cyclegan", "losses")
def test_cyclegan_losses_equal_formulas():
    model = build(CycleGAN, CycleGANConfig, 32, num_blocks=1, **SMALL)
    ctx, a, b = context(model)
    f, g, d_a, d_b = model.to_a, model.to_b, model.d_a, model.d_b
    expected = (
        ((d_b(g(a)) - 1) ** 2).mean()
        + ((d_a(f(b)) - 1) ** 2).mean()
        + 10 * (f(g(a)) - a).abs().mean()
        + 10 * (g(f(b)) - b).abs().mean()
        + 5 * (f(a) - a).abs().mean()
        + 5 * (g(b) - b).abs().mean()
    )
    torch.testing.assert_close(model.generator_loss(ctx), expected)
    expected = 0.5 * (  # the pools are empty: D receives the new fakes
        ((d_a(a) - 1) ** 2).mean()
        + (d_a(f(b)) ** 2).mean()
        + ((d_b(b) - 1) ** 2).mean()
        + (d_b(g(a)) ** 2).mean()
    )
    torch.testing.assert_close(model.discriminator_loss(ctx), expected)


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_recipes(name):
    tree = build_config(name, preset="paper")
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.lr, optim.betas) == (2e-4, (0.5, 0.999))
    assert (tree.train.batch_size, tree.model.epochs) == (1, 200)
    assert tree.train.lr_scheduler == "constant-linear"  # 100 epochs each
    if name == "cyclegan":
        assert (tree.model.pool_size, tree.model.cycle_weight) == (50, 10)
        assert tree.model.identity_weight == 0.5
