"""SAGAN, BigGAN and BigGAN-deep against the formulas of their papers and their authors' code
(brain-research/self-attention-gan at 0a93720, ajbrock/BigGAN-PyTorch at 9845943,
huggingface/pytorch-pretrained-BigGAN at 3d35bb9)."""

import math

import pytest
import torch
from fidelity_helpers import (
    affine_batch_norm,
    assert_equals_formula,
    batch_norm,
    conv3x3,
    count,
    double_size,
    halve_size,
    proves,
    spectral_weight,
)
from ganzoo_biggan.biggan import BigGAN
from ganzoo_biggan.biggan_deep import BigGANDeep
from ganzoo_biggan.config import BigGANConfig, BigGANDeepConfig, SAGANConfig
from ganzoo_biggan.sagan import SAGAN
from torch.nn.functional import relu

from ganzoo_core import DataInfo
from ganzoo_core.config import build_config
from ganzoo_core.losses import Hinge

THOUSAND = tuple(map(str, range(1000)))
SAGAN_EPS, BIGGAN_EPS = 1e-5, 1e-4


def build(model, config, image_size=32, class_names=("a", "b", "c"), **options):
    torch.manual_seed(0)
    return model(config(**options), DataInfo(image_size=image_size, class_names=class_names))


def counts(model, config):
    """Return the numbers of parameters of G and D for ImageNet at 128 px."""
    with torch.device("meta"):
        built = build(model, config, 128, THOUSAND)
    return count(built.generator), count(built.discriminator)


@proves("biggan", "counts")
def test_biggan_counts():
    """The paper has 70.4 M and 88.0 M parameters at 128 px; these are the figures that the authors'
    code prints."""
    assert counts(BigGAN, BigGANConfig) == (70_433_988, 87_982_370)


@proves("biggan-deep", "counts")
def test_biggan_deep_counts():
    """The paper has 50.4 M and 34.6 M. Its G has 128 output channels, of which it uses three
    (`conv_to_rgb` of the released weights)."""
    g, d = counts(BigGANDeep, BigGANDeepConfig)
    assert (g, d) == (50_244_484, 34_590_210)
    unused = 125 * (128 * 9 + 1)
    assert round((g + unused) / 1e6, 1) == 50.4 and round(d / 1e6, 1) == 34.6


@proves("sagan", "counts")
def test_sagan_counts():
    """generator.py and discriminator.py with gf_dim = df_dim = 64, attention at 32 px."""
    factors = (16, 16, 8, 4, 2, 1)
    g = 128 * 1024 * 16 + 1024 * 16
    for i in range(5):
        a, b = 64 * factors[i], 64 * factors[i + 1]
        g += 9 * a * b + b + 9 * b * b + b + a * b + b + 2 * 1000 * (a + b)
    g += 2 * 64 + 64 * 3 * 9 + 3
    d = 0
    channels = (3, 64, 128, 256, 512, 1024, 1024)
    for i in range(6):
        a, b = channels[i], channels[i + 1]
        d += 9 * a * b + b + 9 * b * b + b + (a * b + b if i < 5 else 0)
    d += 1024 + 1 + 1000 * 1024

    def attention(c):
        return 2 * c * c // 8 + 2 * c * c // 2 + 1

    expected = (g + attention(256), d + attention(128))
    assert counts(SAGAN, SAGANConfig) == expected


def attention_formula(state, name, x):
    """Pixel j receives sum_i softmax_i(q_j . k_i) v_i over pooled pixels i."""

    def project(key, x):
        return torch.einsum("oc,nchw->nohw", spectral_weight(state, f"{name}.{key}")[..., 0, 0], x)

    def pool(x):
        blocks = x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]
        return torch.stack(blocks).amax(0)

    q, k, v = project("query", x), pool(project("key", x)), pool(project("value", x))
    scores = torch.einsum("nchw,ncij->nhwij", q, k).exp()
    weights = scores / scores.sum((3, 4), keepdim=True)
    return x + state[f"{name}.gain"] * project("out", torch.einsum("nhwij,ncij->nchw", weights, v))


def linear_norm(state, name, x, cond, eps):
    """BatchNorm with the scale 1 + A cond and the shift B cond."""
    scale, shift = (
        (cond @ spectral_weight(state, f"{name}.{part}").T)[:, :, None, None]
        for part in ("scale", "shift")
    )
    return batch_norm(x, eps) * (1 + scale) + shift


def class_norm(state, name, x, label, eps):
    """BatchNorm with a scale and a shift for each class."""
    scale, shift = (state[f"{name}.{key}.weight"][label] for key in ("scale", "shift"))
    return batch_norm(x, eps) * scale[:, :, None, None] + shift[:, :, None, None]


def up_block(state, name, x, norm):
    h = conv3x3(state, f"{name}.conv1", double_size(relu(norm(f"{name}.norm1", x))))
    h = conv3x3(state, f"{name}.conv2", relu(norm(f"{name}.norm2", h)))
    return h + conv3x3(state, f"{name}.shortcut", double_size(x))


def stem_and_head(state, stem_input, eps, blocks):
    """The first layer, `blocks` (a function of the maps), BatchNorm, ReLU, conv, tanh."""
    x = stem_input @ spectral_weight(state, "stem").T + state["stem.bias"]
    x = blocks(x.view(len(x), -1, 4, 4))
    return torch.tanh(conv3x3(state, "head", relu(affine_batch_norm(state, "norm", x, eps))))


def sagan_formula(state, z, label):
    def norm(name, x):
        return class_norm(state, name, x, label, SAGAN_EPS)

    def blocks(x):
        for i in range(3):
            x = up_block(state, f"blocks.{i}", x, norm)
            x = attention_formula(state, "attention", x) if x.shape[2] == 16 else x
        return x

    return stem_and_head(state, z, SAGAN_EPS, blocks)


def biggan_formula(state, z, label):
    y, chunks = state["class_embed.weight"][label], z.chunk(4, 1)

    def blocks(x):
        for i in range(3):
            cond = torch.cat([y, chunks[i + 1]], 1)

            def norm(name, x, cond=cond):
                return linear_norm(state, name, x, cond, BIGGAN_EPS)

            x = up_block(state, f"blocks.{i}", x, norm)
            x = attention_formula(state, "attention", x) if x.shape[2] == 16 else x
        return x

    return stem_and_head(state, chunks[0], BIGGAN_EPS, blocks)


def biggan_deep_formula(state, z, label):
    cond = torch.cat([state["class_embed.weight"][label], z], 1)

    def blocks(x):
        for i in range(6):
            name, is_up = f"blocks.{i}", i % 2 == 1
            h, out_channels = x, len(state[f"{name}.convs.3.bias"])
            for j in range(4):
                h = relu(linear_norm(state, f"{name}.norms.{j}", h, cond, BIGGAN_EPS))
                h = conv3x3(state, f"{name}.convs.{j}", double_size(h) if is_up and j == 1 else h)
            x = x[:, :out_channels]
            x = h + (double_size(x) if is_up else x)
            x = attention_formula(state, "attention", x) if is_up and x.shape[2] == 16 else x
        return x

    return stem_and_head(state, cond, BIGGAN_EPS, blocks)


def projection(state, x, label):
    h = relu(x).sum((2, 3))
    logit = h @ spectral_weight(state, "head")[0] + state["head.bias"]
    return logit + (h * spectral_weight(state, "class_embed")[label]).sum(1)


def discriminator_formula(state, image, label):
    def convs(name, x):
        return conv3x3(state, f"{name}.conv2", relu(conv3x3(state, f"{name}.conv1", x)))

    x = halve_size(convs("blocks.0", image)) + conv3x3(
        state, "blocks.0.shortcut", halve_size(image)
    )
    x = attention_formula(state, "blocks.1", x)
    x = halve_size(convs("blocks.2", relu(x))) + halve_size(conv3x3(state, "blocks.2.shortcut", x))
    for name in ("blocks.3", "blocks.4"):
        x = x + convs(name, relu(x))
    return projection(state, x, label)


def deep_discriminator_formula(state, image, label):
    """For 64 px: channels grow in four stages of two blocks; the attention follows the first."""
    x, index = conv3x3(state, "blocks.0", image), 1
    for stage in range(4):
        for block in range(2):
            name, h = f"blocks.{index}", x
            for j in range(3):
                h = conv3x3(state, f"{name}.convs.{j}", relu(h))
            h = relu(h)
            h, x = (halve_size(h), halve_size(x)) if block == 0 else (h, x)
            if block == 0:
                x = torch.cat([x, conv3x3(state, f"{name}.shortcut", x)], 1)
            x, index = x + conv3x3(state, f"{name}.convs.3", h), index + 1
        if stage == 0:
            x, index = attention_formula(state, f"blocks.{index}", x), index + 1
    return projection(state, x, label)


def assert_networks_equal(model, generator_formula, d_formula):
    """Compare both networks at batch statistics, without a step of the power iteration."""
    model = model.double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("gain"):
                parameter.fill_(0.7)
            elif parameter.dim() == 1 or name.endswith(("scale.weight", "shift.weight")):
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    for module in model.modules():
        if isinstance(module, torch.nn.utils.parametrize.ParametrizationList):
            module.eval()
    label, size = torch.tensor([0, 2, 1]), model.info.image_size
    z = torch.randn(3, model.generator.latent_dim).double()
    assert_equals_formula(model.generator, generator_formula, z, label)
    image = torch.randn(3, 3, size, size).double()
    assert_equals_formula(model.discriminator, d_formula, image, label)


SMALL = {"g_channels": 2, "d_channels": 2}


@proves("sagan", "forward")
def test_sagan_equals_formulas():
    model = build(SAGAN, SAGANConfig, latent_dim=5, **SMALL)
    assert_networks_equal(model, sagan_formula, discriminator_formula)


@proves("biggan", "forward")
def test_biggan_equals_formulas():
    model = build(BigGAN, BigGANConfig, latent_chunk_dim=3, class_embed_dim=4, **SMALL)
    assert_networks_equal(model, biggan_formula, discriminator_formula)


@proves("biggan-deep", "forward")
def test_biggan_deep_equals_formulas():
    options = {"latent_dim": 5, "class_embed_dim": 4}
    model = build(BigGANDeep, BigGANDeepConfig, g_channels=4, d_channels=4, **options)
    model64 = build(BigGANDeep, BigGANDeepConfig, 64, g_channels=4, d_channels=4, **options)
    model.discriminator, model.info = model64.discriminator, model64.info  # channels grow there
    assert_networks_equal(model, biggan_deep_formula, deep_discriminator_formula)


@proves("biggan", "init")
@proves("biggan-deep", "init")
@pytest.mark.parametrize(
    ("model", "config"), [(BigGAN, BigGANConfig), (BigGANDeep, BigGANDeepConfig)]
)
def test_weights_are_orthogonal(model, config):
    for name, parameter in build(model, config, g_channels=8, d_channels=8).named_parameters():
        if parameter.dim() < 2:
            is_scale = name == "generator.norm.weight"
            assert (parameter == 1).all() if is_scale else not parameter.any()
            continue
        matrix = parameter.detach().flatten(1)
        matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-4, rtol=0)


def test_sagan_weights_are_xavier():
    model = build(SAGAN, SAGANConfig, g_channels=16, d_channels=16)
    for name, parameter in model.named_parameters():
        if name.endswith("conv2.parametrizations.weight.original"):
            a, b = 9 * parameter.shape[0], 9 * parameter.shape[1]
            assert parameter.std().item() == pytest.approx(math.sqrt(2 / (a + b)), rel=0.05), name


@proves("sagan", "losses")
@proves("biggan", "losses")
@proves("biggan-deep", "losses")
def test_losses_equal_formulas():
    real, fake = torch.randn(2, 50)
    expected = (relu(1 - real).sum() + relu(1 + fake).sum()) / 50
    torch.testing.assert_close(Hinge().discriminator_loss(real, fake), expected)
    torch.testing.assert_close(Hinge().generator_loss(fake), -fake.mean())


def test_recipes():
    sagan = build_config("sagan", preset="paper")
    assert (sagan.model.optim_g.lr, sagan.model.optim_d.lr) == (1e-4, 4e-4)
    assert sagan.model.optim_g.betas == sagan.model.optim_d.betas == (0.0, 0.9)
    assert (sagan.model.d_updates, sagan.train.batch_size) == (1, 256)
    for name in ("biggan", "biggan-deep"):
        tree = build_config(name, preset="paper")
        assert (tree.model.optim_g.lr, tree.model.optim_d.lr) == (5e-5, 2e-4)
        assert tree.model.optim_g.betas == tree.model.optim_d.betas == (0.0, 0.999)
        assert (tree.model.d_updates, tree.train.batch_size) == (2, 2048)
        assert {name: term.weight for name, term in tree.model.terms.items()} == {
            "orthogonal": 1e-4
        }
        assert tree.model.ema_halflife_images == pytest.approx(
            2048 * math.log(0.5) / math.log(0.9999), rel=1e-5
        )
