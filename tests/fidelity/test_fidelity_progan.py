"""ProGAN against the formulas of its paper and its authors' code
(tkarras/progressive_growing_of_gans, revision 2504c3f)."""

import math

import pytest
import torch
from fidelity_helpers import assert_equals_formula, count, double_size, halve_size, proves
from ganzoo_progan.config import ProGANConfig
from ganzoo_progan.drift import Drift
from ganzoo_progan.model import ProGAN
from torch.nn import functional as F

from ganzoo_core import DataInfo
from ganzoo_core.config import build_config
from ganzoo_core.interfaces import DiscriminatorOutput
from ganzoo_core.losses import Wasserstein, gradient_penalty


def build(image_size, **options):
    torch.manual_seed(0)
    return ProGAN(ProGANConfig(**options), DataInfo(image_size=image_size))


@proves("progan", "counts")
def test_parameter_counts():
    """23.1 M each at 1024 px, Table 2 of the paper, which counts the last 1x1 conv only."""
    with torch.device("meta"):
        model = build(1024)
    g, d = model.generator, model.discriminator
    assert count(g) - count(g.to_image[:-1]) == 23_079_187
    assert count(d) - count(d.from_image[:-1]) == 23_077_137


def pixel_norm(x):
    return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()


def equalized(state, name, x, gain=2**0.5):
    """A conv or a linear layer with the weights gain / sqrt(fan_in) W."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    weight = weight * gain / math.sqrt(weight[0].numel())
    if weight.dim() == 2:
        return x @ weight.T + bias
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2) + bias.view(1, -1, 1, 1)


def leaky(x):
    return torch.where(x > 0, x, 0.2 * x)


def generator_formula(state, z, alpha):
    """Two levels: 4 px, then 8 px with the weight alpha."""
    h = equalized(state, "blocks.0.linear", pixel_norm(z), math.sqrt(2) / 4).view(len(z), -1, 4, 4)
    h = pixel_norm(leaky(h))
    h = pixel_norm(leaky(equalized(state, "blocks.0.conv", h)))
    former = double_size(equalized(state, "to_image.0", h, 1))
    for name in ("blocks.1.conv1", "blocks.1.conv2"):
        h = double_size(h) if name.endswith("1") else h
        h = pixel_norm(leaky(equalized(state, name, h)))
    return (1 - alpha) * former + alpha * equalized(state, "to_image.1", h, 1)


def discriminator_formula(state, image, alpha):
    h = leaky(equalized(state, "from_image.1", image))
    h = leaky(equalized(state, "blocks.1.conv1", h))
    h = leaky(halve_size(equalized(state, "blocks.1.conv2", h)))
    former = leaky(equalized(state, "from_image.0", halve_size(image)))
    h = (1 - alpha) * former + alpha * h
    deviation = h - h.mean(0)
    stddev = (deviation.square().mean(0) + 1e-8).sqrt().mean()
    h = torch.cat([h, stddev.expand(len(h), 1, 4, 4)], 1)
    h = leaky(equalized(state, "blocks.0.conv", h)).flatten(1)
    h = leaky(equalized(state, "blocks.0.linear", h))
    return equalized(state, "blocks.0.head", h, 1)[:, 0]


@pytest.mark.parametrize("images", [25, 100])
def test_networks_equal_formulas(images):
    """A batch of four is one group of the minibatch standard deviation, as in the paper."""
    model = build(8, base_channels=32, max_channels=6, fade_images=100).double()
    alpha = images / 100
    for network in (model.generator, model.discriminator):
        network.growth.set(1, torch.tensor(images))
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, 0, 0.2)
    z, image = torch.randn(4, 6).double(), torch.randn(4, 3, 8, 8).double()
    assert_equals_formula(model.generator, lambda state, z: generator_formula(state, z, alpha), z)
    assert_equals_formula(
        model.discriminator, lambda state, x: discriminator_formula(state, x, alpha), image
    )


@proves("progan", "init")
def test_initial_weights():
    model = build(8, max_channels=64)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        elif parameter.numel() > 4000:
            assert parameter.std().item() == pytest.approx(1, rel=0.05), name


@proves("progan", "losses")
def test_losses_equal_formulas():
    real, fake = torch.randn(2, 50).double()
    out = DiscriminatorOutput(real, fake, None, real, fake)
    assert Drift().discriminator(None, None, out).item() == pytest.approx(
        real.square().mean().item(), rel=1e-6
    )
    loss = Wasserstein().discriminator_loss(real, fake)
    assert loss.item() == pytest.approx((fake.mean() - real.mean()).item(), rel=1e-5)
    x, y, weight = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4), torch.randn(2, 4, 4)
    penalty = gradient_penalty(
        lambda image: (image * weight).sum((1, 2, 3)), x, y, torch.rand(3, 1, 1, 1)
    )
    assert penalty.item() == pytest.approx((weight.norm().item() - 1) ** 2, rel=1e-4)


def test_recipe():
    tree = build_config("progan", preset="paper")
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert (optim.lr, optim.betas, optim.eps) == (1e-3, (0.0, 0.99), 1e-8)
    assert tree.model.terms["gradient-penalty"].weight == 10
    assert tree.model.terms["drift"].weight == 0.001 and tree.model.d_updates == 1
    assert tree.model.fade_images == tree.model.stable_images == 800_000
    assert tree.model.ema_halflife_images == pytest.approx(
        16 * math.log(0.5) / math.log(0.999), rel=1e-4
    )
