"""PFA-GAN against the formulas of its paper and of the authors' code in fp64.

Paper: Huang et al. 2020, arXiv 2012.03459. Authors' code: github.com/Hzzone/PFA-GAN at a6b5445,
`networks.py`, `models.py` and `ops.py`.
"""

import math
from types import SimpleNamespace

import pytest
import torch
from fidelity_helpers import proves
from ganzoo_face_aging.testing import StubAgeEstimator
from ganzoo_pfa_gan.config import PAPER_AGE_BINS, LossWeights, PFAGANConfig
from ganzoo_pfa_gan.losses import ssim_loss
from ganzoo_pfa_gan.model import PFAGAN
from torch import nn
from torch.nn import functional

from ganzoo_core.interfaces import DataInfo

NUM_GROUPS, MEAN_AGES = 4, (22.0, 35.0, 45.0, 62.0)
SUB_GENERATOR_PARAMS = 1_524_227
"""Counted in the authors' `SubGenerator(norm_layer="in")`; three of them for four groups."""
DISCRIMINATOR_PARAMS = {256: 6_967_745, 128: 2_772_929, 64: 671_169}
"""Counted in their `PatchDiscriminator(4, repeat_num=log2(size) - 4, norm_layer="sn")`."""


def build(image_size=64, **options):
    info = DataInfo(
        image_size=image_size,
        class_names=("0-30", "31-40", "41-50", "51+"),
        age_bins=PAPER_AGE_BINS,
        class_counts=(1,) * NUM_GROUPS,
        class_mean_ages=MEAN_AGES,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PFAGAN(PFAGANConfig(**options), info)


def convs_of(net):
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


# --- the formulas ---------------------------------------------------------------------------------


def sub_generator(convs, x):
    """Conv9 - 2 x Conv4/2 - 4 residual blocks - 2 x ConvT4/2 - Conv9, instance norm, LeakyReLU."""
    *layers, last = convs

    def conv_norm(conv, x):
        up = isinstance(conv, nn.ConvTranspose2d)
        stride, padding = (1, conv.kernel_size[0] // 2) if conv.kernel_size[0] % 2 else (2, 1)
        apply = functional.conv_transpose2d if up else functional.conv2d
        h = apply(x, conv.weight, conv.bias, stride, padding)
        variance, mean = torch.var_mean(h, (2, 3), correction=0, keepdim=True)
        return (h - mean) / (variance + 1e-5).sqrt()

    def leaky(x):
        return torch.where(x > 0, x, 0.2 * x)

    for conv in layers[:3]:
        x = leaky(conv_norm(conv, x))
    for conv1, conv2 in zip(layers[3:11:2], layers[4:11:2], strict=True):
        x = leaky(x + conv_norm(conv2, leaky(conv_norm(conv1, x))))
    for conv in layers[11:]:
        x = leaky(conv_norm(conv, x))
    return functional.conv2d(x, last.weight, last.bias, padding=4)


def generator(chain, image, source, target):
    """X[i+1] = X[i] + gate[i] G[i](X[i])."""
    for i, net in enumerate(chain.sub_generators):
        gate = torch.tensor([float(s <= i < t) for s, t in zip(source, target, strict=True)])
        image = image + gate.to(image)[:, None, None, None] * sub_generator(convs_of(net), image)
    return image


def discriminator(net, image, group):
    """Conv4/2, then one-hot maps; spectral norm on all but the first and the last conv."""
    first, *middle, last = convs_of(net)
    h = functional.leaky_relu(functional.conv2d(image, first.weight, first.bias, 2, 1), 0.2)
    one_hot = functional.one_hot(group, NUM_GROUPS).to(h)[:, :, None, None]
    h = torch.cat([h, one_hot.expand(-1, -1, *h.shape[2:])], 1)
    for i, conv in enumerate(middle):
        weight = conv.parametrizations.weight.original
        u, v = conv.parametrizations.weight[0]._u, conv.parametrizations.weight[0]._v
        weight = weight / (u @ weight.flatten(1) @ v)
        stride = 1 if i == len(middle) - 1 else 2
        h = functional.leaky_relu(functional.conv2d(h, weight, conv.bias, stride, 1), 0.2)
    return functional.conv2d(h, last.weight, last.bias, 1, 1)


def one_minus_ssim(a, b):
    """Window of 10 with its peak at position 5, zero padding, constants 0.01^2 and 0.03^2."""
    heights = [math.exp(-((x - 5) ** 2) / (2 * 1.5**2)) for x in range(10)]
    g = torch.tensor(heights, dtype=a.dtype)
    window = torch.outer(g, g)[None, None] / g.sum() ** 2

    def blur(x):  # each channel as an image of its own
        flat = x.reshape(-1, 1, *x.shape[2:])
        return functional.conv2d(flat, window, padding=5)

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    cov = blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    return 1 - (luminance * (2 * cov + 9e-4) / (var_a + var_b + 9e-4)).mean()


def clip(x):
    return torch.maximum(torch.minimum(x, torch.ones_like(x)), -torch.ones_like(x))


# --- networks -------------------------------------------------------------------------------------


@proves("pfa-gan", "counts")
@pytest.mark.parametrize("image_size", DISCRIMINATOR_PARAMS)
def test_parameter_counts(image_size):
    model = build(image_size)
    counts = [sum(p.numel() for p in net.parameters()) for net in model.children()]
    assert counts == [3 * SUB_GENERATOR_PARAMS, DISCRIMINATOR_PARAMS[image_size]]


@proves("pfa-gan", "init")
def test_generator_init():
    """`weights_init` of the authors' code: N(0, 0.02), biases 0."""
    for conv in convs_of(build().generator):
        num_weights = conv.weight.numel()
        assert conv.weight.std().item() == pytest.approx(0.02, rel=max(0.03, 3 / num_weights**0.5))
        assert abs(conv.weight.mean().item()) < 4 * 0.02 / num_weights**0.5
        assert not conv.bias.any()


@proves("pfa-gan", "init")
def test_discriminator_init():
    """Not initialized in the authors' code: PyTorch's default, uniform with 1/sqrt(fan in)."""
    for conv in convs_of(build().discriminator):
        is_normed = hasattr(conv, "parametrizations")
        weight = conv.parametrizations.weight.original if is_normed else conv.weight
        bound = weight[0].numel() ** -0.5
        assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)
        assert bound * 0.9 < weight.abs().max() <= bound and conv.bias.abs().max() <= bound


# --- losses ---------------------------------------------------------------------------------------


class Context:
    """A batch of n pairs of which the first half gives its source as real face."""

    def __init__(self, n, image_size):
        rng = torch.Generator().manual_seed(1)
        images = torch.rand(2, n, 3, image_size, image_size, generator=rng, dtype=torch.float64)
        source, target = 2 * images - 1
        source_group, target_group = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([1, 2, 3] * 2)
        target_group[3:5] = torch.tensor([2, 3])
        self.target = SimpleNamespace(image=target, label=target_group)
        self.batch = Pairs(image=source, label=source_group, target=self.target)
        self.n, self.logged, self.values = n, {}, {}

    def rand(self, n):
        return torch.arange(n) / n

    def cached(self, name, make):
        if name not in self.values:
            self.values[name] = make()
        return self.values[name]

    def log(self, values):
        self.logged |= values


class Pairs(SimpleNamespace):
    def __len__(self):
        return len(self.image)


def build_in_fp64():
    """A model in fp64 and a batch; auxiliary networks in fp64 too, without the cast to fp32."""
    model = build(g_channels=8, loss_weights=LossWeights(adversarial=3.0)).double().eval()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        networks = StubAgeEstimator().double(), StubAgeEstimator().double()
    model.auxiliaries = dict(zip(("identity", "age"), networks, strict=True))
    model.mean_ages = torch.tensor(MEAN_AGES, dtype=torch.float64)
    return model, Context(6, 64)


def gradients(loss, net):
    return torch.autograd.grad(loss, list(net.parameters()))


def largest_difference(ours, expected):
    """Return the largest difference of gradients, as a fraction of the largest gradient."""
    largest = max(e.abs().max() for e in expected)
    pairs = zip(ours, expected, strict=True)
    return (max((a - b).abs().max() for a, b in pairs) / largest).item()


@proves("pfa-gan", "forward")
def test_networks_in_fp64():
    model, ctx = build_in_fp64()
    source, target = ctx.batch, ctx.target
    aged = model.generator(source.image, source.label, target.label)
    expected = generator(model.generator.aging, source.image, source.label, target.label)
    assert (aged - expected).abs().max() < 1e-12
    weights = torch.linspace(-1, 1, aged.numel(), dtype=torch.float64).view_as(aged)
    ours = gradients((aged * weights).sum(), model.generator)
    assert largest_difference(ours, gradients((expected * weights).sum(), model.generator)) < 1e-9
    logits = model.discriminator(source.image, source.label)
    expected = discriminator(model.discriminator, source.image, source.label)
    assert logits.shape == (6, 1, 14, 14)
    assert (logits - expected).abs().max() < 1e-12 * expected.abs().max()


def test_ssim_in_fp64():
    a, b = (torch.randn(2, 3, 24, 20, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours, expected = ssim_loss(a, b), one_minus_ssim(a, b)
    assert ours.item() == pytest.approx(expected.item(), abs=1e-12)
    ours, expected = torch.autograd.grad(ours, (a, b)), torch.autograd.grad(expected, (a, b))
    assert largest_difference(ours, expected) < 1e-10
    assert ssim_loss(a, a).abs() < 1e-12


def test_discriminator_loss_in_fp64():
    model, ctx = build_in_fp64()
    source, target, half = ctx.batch, ctx.target, 3
    real_images = torch.cat([source.image[:half], target.image[half:]])
    real_groups = torch.cat([source.label[:half], target.label[half:]])
    fake = generator(model.generator.aging, source.image, source.label, target.label).detach()
    assert (fake.abs() > 1).double().mean() > 0.1  # D receives them as they are
    real_logits = discriminator(model.discriminator, real_images, real_groups)
    fake_logits = discriminator(model.discriminator, fake, target.label)
    expected = 0.5 * (((real_logits - 1) ** 2).mean() + (fake_logits**2).mean())
    ours = model.discriminator_loss(ctx)
    assert ours.item() == pytest.approx(expected.item(), rel=1e-6)  # the core's loss is in fp32
    net = model.discriminator
    assert largest_difference(gradients(ours, net), gradients(expected, net)) < 1e-6


def test_generator_loss_in_fp64():
    model, ctx = build_in_fp64()
    source, target, weights = ctx.batch, ctx.target, LossWeights(adversarial=3.0)
    fake = generator(model.generator.aging, source.image, source.label, target.label)
    age_network, identity_network = model.auxiliaries["age"], model.auxiliaries["identity"]
    p = age_network.age_logits(clip(fake)).softmax(1)
    years = p @ torch.arange(101, dtype=torch.float64)
    mean_ages = torch.tensor(MEAN_AGES, dtype=torch.float64)[target.label]
    bins = [(0, 31), (31, 41), (41, 51), (51, 101)]
    group_p = torch.stack([p[:, low:high].sum(1) for low, high in bins], 1)
    features = [identity_network.features(clip(x)) for x in (fake, source.image)]
    expected = {
        "adversarial": 0.5 * (discriminator(model.discriminator, fake, target.label) - 1) ** 2,
        "age_mse": (years - mean_ages) ** 2,
        "age_ce": -group_p[torch.arange(6), target.label].log(),
        "pixel": (fake - source.image).abs(),
        "ssim": one_minus_ssim(fake, source.image),
        "feature": (features[0] - features[1]) ** 2,
    }
    expected = {name: value.mean() for name, value in expected.items()}
    total = (
        weights.adversarial * expected["adversarial"]
        + weights.age * (expected["age_mse"] + expected["age_ce"])
        + 0.02 * (0.85 * expected["pixel"] + 0.15 * expected["ssim"] + 1.25 * expected["feature"])
    )
    ours = model.generator_loss(ctx)
    for name, value in expected.items():
        tolerance = 1e-6 if name == "adversarial" else 1e-12  # the core's loss is in fp32
        assert ctx.logged[f"loss/g_{name}"].item() == pytest.approx(value.item(), rel=tolerance)
    assert ours.item() == pytest.approx(total.item(), rel=1e-6)
    net = model.generator
    assert largest_difference(gradients(ours, net), gradients(total, net)) < 1e-6


def test_only_auxiliary_networks_receive_clipped_images():
    """Far outside [-1, 1], age and feature losses have no gradient; the other losses have one."""
    model, ctx = build_in_fp64()
    source, target = ctx.batch, ctx.target
    fake = (source.image + 5).requires_grad_()
    ctx.values["fake"] = fake
    model.generator_loss(ctx)
    is_zero = {}
    for name, value in ctx.logged.items():
        (grad,) = torch.autograd.grad(value, fake, retain_graph=True)
        is_zero[name.removeprefix("loss/g_")] = not grad.any()
    clipped = {"age_mse", "age_ce", "feature"}
    assert {name for name, zero in is_zero.items() if zero} == clipped
    assert set(is_zero) == clipped | {"adversarial", "pixel", "ssim"}
    assert target.image.abs().max() <= 1
