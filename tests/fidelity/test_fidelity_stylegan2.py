"""StyleGAN2 against the formulas of its papers and the numbers of the authors' code
(NVlabs/stylegan2-ada-pytorch, revision d72cc7d)."""

import math
from types import SimpleNamespace

import pytest
import torch
from fidelity_helpers import assert_equals_formula, assert_std, count, proves, randomize
from ganzoo_stylegan2.config import StyleGAN2Config
from ganzoo_stylegan2.layers import EqualLinear
from ganzoo_stylegan2.model import StyleGAN2
from ganzoo_stylegan2.path_length import PathLength
from torch.nn import functional as F
from training_helpers import FakeStepContext

from ganzoo_core import DataInfo
from ganzoo_core.config import build_config
from ganzoo_core.losses import BCE, r1

TEN = tuple("abcdefghij")
SMALL = {"channel_base": 64, "channel_max": 6, "latent_dim": 4, "style_dim": 5}


def build(image_size=16, class_names=(), **options):
    torch.manual_seed(0)
    return StyleGAN2(
        StyleGAN2Config(**options), DataInfo(image_size=image_size, class_names=class_names)
    )


@proves("stylegan2", "counts")
@pytest.mark.parametrize(
    ("preset", "image_size", "class_names", "g", "d"),
    [
        ("ffhq-256", 256, (), 24_767_458, 24_001_089),  # paper256
        ("afhq", 512, (), 30_276_583, 28_982_849),  # paper512
        ("cifar10", 32, (), 19_947_539, 20_720_641),
        ("cifar10", 32, TEN, 20_215_315, 23_089_664),
        ("auto", 256, (), 23_191_522, 24_001_089),
        ("auto", 64, (), 22_243_608, 23_407_361),
    ],
)
def test_parameter_counts(preset, image_size, class_names, g, d):
    options = {"mapping_layers": 2}
    if preset != "auto":
        options = StyleGAN2Config.presets[preset]["model"]
    with torch.device("meta"):
        model = build(image_size, class_names, **options)
    assert (count(model.generator), count(model.discriminator)) == (g, d)


def leaky_relu(x):
    return math.sqrt(2) * torch.where(x > 0, x, 0.2 * x)


def fc(state, name, x, lr=1.0):
    weight = state[f"{name}.weight"]
    return x @ weight.T * (lr / math.sqrt(weight.shape[1])) + state[f"{name}.bias"] * lr


def mapping(state, name, z, label):
    def unit(x):
        return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()

    one_hot = torch.eye(2, dtype=torch.float64)[label]
    x = unit(fc(state, f"{name}.embed", one_hot))
    x = x if z is None else torch.cat([unit(z), x], 1)
    for i in range(2):
        x = leaky_relu(fc(state, f"{name}.layers.{i}", x, lr=0.01))
    return x


def filter_matrix(rows, columns, first, step):
    """Return [rows, columns]: column i has the filter [1 3 3 1] / 8 from row step i + first on."""
    matrix = torch.zeros(rows, columns, dtype=torch.float64)
    for column in range(columns):
        for tap, weight in enumerate((1, 3, 3, 1)):
            if 0 <= (row := step * column + first + tap) < rows:
                matrix[row, column] = weight / 8
    return matrix


def upsample(x):
    matrix = 2 * filter_matrix(2 * x.shape[-1], x.shape[-1], -1, 2)
    return matrix @ x @ matrix.T


def downsample(x):
    matrix = filter_matrix(x.shape[-1], x.shape[-1] // 2, -1, 2).T
    return matrix @ x @ matrix.T


def modulated_conv(state, name, x, w, *, up=False, demodulate=True):
    """Convolve each image with weights of its own; an upsampling keeps all values of the filter
    until the conv."""
    weight, styles, size = state[f"{name}.weight"], fc(state, f"{name}.affine", w), x.shape[-1]
    out = []
    for image, style in zip(x, styles, strict=True):
        own = weight * style[None, :, None, None]
        if demodulate:
            own = own / (own.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        else:
            own = own / math.sqrt(weight[0].numel())
        if up:
            matrix = 2 * filter_matrix(2 * size + 2, size, 0, 2)
            out.append(F.conv2d(matrix @ image @ matrix.T, own.flip(2, 3)))
        else:
            out.append(F.conv2d(image, own, padding=own.shape[-1] // 2))
    return torch.stack(out)


def synthesis_layer(state, name, x, w, up):
    x = modulated_conv(state, name, x, w, up=up)
    x = x + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
    return leaky_relu(x + state[f"{name}.bias"][:, None, None])


def to_rgb(state, name, x, w):
    x = modulated_conv(state, name, x, w, demodulate=False)
    return x + state[f"{name}.bias"][:, None, None]


def conv(state, name, x, activation=True):
    weight = state[f"{name}.weight"]
    x = F.conv2d(x, weight / math.sqrt(weight[0].numel()), padding=weight.shape[-1] // 2)
    x = x + state[f"{name}.bias"][:, None, None] if f"{name}.bias" in state else x
    return leaky_relu(x) if activation else x


def down_conv(state, name, x):
    matrix = filter_matrix(x.shape[-1] + 1, x.shape[-1], -1, 1)
    weight = state[f"{name}.weight"]
    x = F.conv2d(matrix @ x @ matrix.T, weight / math.sqrt(weight[0].numel()), stride=2)
    return leaky_relu(x + state[f"{name}.bias"][:, None, None])


def generator_formula(architecture):
    def formula(state, z, label):
        w = mapping(state, "mapping", z, label)
        x, image = state["synthesis.const"].expand(len(z), -1, -1, -1), None
        for block in range(3):  # 4, 8, 16 px
            name, inputs = f"synthesis.blocks.{block}", x
            if block:
                x = synthesis_layer(state, f"{name}.conv0", x, w, up=True)
            x = synthesis_layer(state, f"{name}.conv1", x, w, up=False)
            if block and architecture == "resnet":
                shortcut = upsample(conv(state, f"{name}.skip", inputs, activation=False))
                x = (x + shortcut) / math.sqrt(2)
            if block == 2 or architecture == "skip":
                colors = to_rgb(state, f"{name}.torgb", x, w)
                image = colors if image is None else upsample(image) + colors
        return image

    return formula


def discriminator_formula(architecture):
    def formula(state, image, label):
        x = 0
        for block in range(2):  # 16, 8 px
            name = f"blocks.{block}"
            if block == 0 or architecture == "skip":
                x = x + conv(state, f"{name}.fromrgb", image)
            inputs = x
            x = down_conv(state, f"{name}.conv1", conv(state, f"{name}.conv0", x))
            if architecture == "resnet":
                shortcut = conv(state, f"{name}.skip", downsample(inputs), activation=False)
                x = (x + shortcut) / math.sqrt(2)
            image = downsample(image)
        x = x + conv(state, "fromrgb", image) if architecture == "skip" else x
        groups = x.unflatten(0, (2, 2))  # images 0 and 2, 1 and 3
        std = ((groups - groups.mean(0)).square().mean(0) + 1e-8).sqrt().mean((1, 2, 3))
        std = std.repeat(2)[:, None, None, None].expand(-1, 1, 4, 4)
        x = conv(state, "conv", torch.cat([x, std], 1))
        x = fc(state, "out", leaky_relu(fc(state, "fc", x.flatten(1))))
        cls = mapping(state, "mapping", None, label)
        return (x * cls).sum(1) / math.sqrt(x.shape[1])

    return formula


@proves("stylegan2", "forward")
@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_networks_equal_formulas(architecture):
    model = build(
        class_names=("a", "b"),
        mapping_layers=2,
        d_mapping_layers=2,
        mbstd_group_size=2,
        g_architecture=architecture,
        d_architecture=architecture,
        **SMALL,
    )
    model, label = randomize(model.double(), std=1), torch.tensor([0, 1, 1, 0])
    z, image = torch.randn(4, 4).double(), torch.randn(4, 3, 16, 16).double()
    assert_equals_formula(model.generator, generator_formula(architecture), z, label)
    assert_equals_formula(model.discriminator, discriminator_formula(architecture), image, label)


@proves("stylegan2", "losses")
def test_losses_equal_formulas():
    """softplus of the logits, and gamma / 2 times the squared gradient of D."""
    d = randomize(build(**SMALL).discriminator, std=1)
    real, fake = torch.randn(2, 4, 3, 16, 16)
    real_logits, fake_logits = d(real), d(fake)
    expected = (1 + (-real_logits).exp()).log().mean() + (1 + fake_logits.exp()).log().mean()
    torch.testing.assert_close(BCE().discriminator_loss(real_logits, fake_logits), expected)
    expected = (1 + (-fake_logits).exp()).log().mean()
    torch.testing.assert_close(BCE().generator_loss(fake_logits), expected)
    images = real.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(d(images).sum(), images)
    penalty = gradient.square().sum() / 8
    torch.testing.assert_close(r1(d, real).detach(), penalty)


@proves("stylegan2", "losses")
def test_path_length_equals_formula():
    """|J^T y| from the whole Jacobian, against the running mean."""
    info = DataInfo(image_size=8, num_channels=1)
    model = randomize(StyleGAN2(StyleGAN2Config(**SMALL), info), std=0.5)
    term, mean = PathLength(decay=0.1, batch_shrink=2), 0.0
    for step in range(2):
        ctx, again = (FakeStepContext([None] * 4, step) for _ in range(2))
        ctx.all_reduce_mean = lambda value: value
        out = SimpleNamespace(fake_images=torch.zeros(1), label=None)
        penalty = term.generator(model, ctx, out)
        ws = model.sample_styles(2, None, again)
        first_call = again.calls

        def synthesize(ws, rng=again, first_call=first_call):
            rng.calls = first_call
            return model.synthesize(ws, rng)

        jacobian = torch.autograd.functional.jacobian(synthesize, ws)  # [n 1 S S n L D]
        y = again.randn(2, 1, 8, 8) / 8
        products = torch.einsum("ncijnld,ncij->nld", jacobian, y)
        lengths = products.square().sum(2).mean(1).sqrt()
        mean = 0.9 * mean + 0.1 * lengths.mean()
        torch.testing.assert_close(penalty, (lengths - mean).square().mean(), rtol=1e-4, atol=0)
        torch.testing.assert_close(term.mean_length, mean)


@proves("stylegan2", "init")
def test_initial_weights():
    model = build(64, TEN, channel_base=4096, channel_max=64)
    for module in model.modules():
        if isinstance(module, EqualLinear) and module.weight.numel() > 4000:
            assert_std(module.weight, 1 / module.lr_multiplier)
    assert {m.lr_multiplier for m in model.generator.mapping.layers} == {0.01}
    layers = model.generator.synthesis.layers
    assert_std(torch.cat([layer.weight.flatten() for layer in layers]), 1)
    assert_std(layers[-1].noise_const, 1)
    assert_std(torch.cat([b.conv0.weight.flatten() for b in model.discriminator.blocks]), 1)
    for name, parameter in model.named_parameters():
        if name.endswith("affine.bias"):
            assert (parameter == 1).all()
        elif name.endswith(("bias", "noise_strength")):
            assert not parameter.any()


RECIPES = {
    "ffhq-256": (1, 20_000, None, 8, 8, 16384),  # paper256
    "afhq": (0.5, 20_000, None, 8, 8, 32768),  # paper512
    "cifar10": (0.01, 500_000, 0.05, 2, 32, 32768),
    "people-64": (0.0256, 10_000, 0.05, 2, 4, 8192),  # auto, with fewer channels
}
"""Weight of R1; half-life and ramp of the average; mapping layers; group size; channel base."""


@pytest.mark.parametrize("preset", RECIPES)
def test_recipe(preset):
    """train.py of the authors."""
    is_cifar, batch_size = preset == "cifar10", 32 if preset == "people-64" else 64
    tree = build_config("stylegan2", preset=preset, patches=[{"data": {"path": "."}}])
    model = tree.model
    r1, lengths = model.terms["r1"], model.terms.get("path-length")
    values = (
        round(r1.weight, 9),
        model.ema_halflife_images,
        model.ema_rampup,
        model.mapping_layers,
        model.mbstd_group_size,
        model.channel_base,
    )
    assert values == RECIPES[preset]
    assert (r1.interval, tree.train.batch_size) == (16, batch_size)
    assert (lengths is None) == is_cifar and model.style_mixing == (0 if is_cifar else 0.9)
    if lengths:
        values = lengths.weight, lengths.interval, lengths.decay, lengths.batch_shrink
        assert values == (2, 4, 0.01, 2)
    for adam in (model.optim_d, model.optim_g):
        assert (adam.lr, adam.betas, adam.eps) == (0.0025, (0, 0.99), 1e-8)
    assert (model.augment, model.g_architecture) == ("ada", "skip")
    assert model.d_architecture == ("orig" if is_cifar else "resnet")
