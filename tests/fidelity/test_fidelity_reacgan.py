"""ReACGAN against the formulas of BigGAN and its own, and the numbers of its authors' code
(POSTECH-CVLab/PyTorch-StudioGAN, revision 947b35e, configs/CIFAR10/ReACGAN.yaml)."""

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
from ganzoo_reacgan.config import ReACGANConfig
from ganzoo_reacgan.model import ReACGAN
from torch.nn.functional import relu

from ganzoo_core import DataInfo
from ganzoo_core.config import build_config

EPS = 1e-4
TEN = tuple("abcdefghij")


def build(**options):
    torch.manual_seed(0)
    return ReACGAN(ReACGANConfig(**options), DataInfo(image_size=32, class_names=TEN))


@pytest.fixture(scope="module")
def full_model():
    return build()


@proves("reacgan", "counts")
def test_parameter_counts(full_model):
    """g_conv_dim and d_conv_dim 96, 128 for the class, 80 / 4 of z for each block; attention has
    C/8 channels of queries and keys, and C/2 of values."""
    model = full_model
    w, a = 4 * 96, 128 + 20
    block = 2 * 9 * w * w + w * w + 3 * w + 2 * 2 * a * w  # convs, 1x1, biases, norms
    stem = 20 * 16 * w + 16 * w
    attention = 2 * w * w // 8 + 2 * w * w // 2 + 1
    head = 2 * w + w * 3 * 9 + 3
    assert count(model.generator) == 10 * 128 + stem + 3 * block + attention + head
    v = 2 * 96
    block = 2 * 9 * v * v + 2 * v
    first_block = 3 * v * 9 + 9 * v * v + 3 * v + 3 * v
    attention = 2 * v * v // 8 + 2 * v * v // 2 + 1
    heads = v + 1 + v * 512 + 512 + 10 * 512
    down_block = block + v * v + v
    assert count(model.discriminator) == first_block + attention + down_block + 2 * block + heads


def attention_formula(state, name, x):
    """SAGAN's attention: pixel j receives sum_i softmax_i(q_j . k_i) v_i over pooled pixels i."""

    def project(key, x):
        return torch.einsum("oc,nchw->nohw", spectral_weight(state, f"{name}.{key}")[..., 0, 0], x)

    def pool(x):
        return torch.stack(
            [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        ).amax(0)

    q, k, v = project("query", x), pool(project("key", x)), pool(project("value", x))
    scores = torch.einsum("nchw,ncij->nhwij", q, k).exp()
    weights = scores / scores.sum((3, 4), keepdim=True)
    return x + state[f"{name}.gain"] * project("out", torch.einsum("nhwij,ncij->nchw", weights, v))


def generator_formula(state, z, label):
    y, chunks = state["class_embed.weight"][label], z.chunk(4, 1)
    x = chunks[0] @ spectral_weight(state, "stem").T + state["stem.bias"]
    x = x.view(len(z), -1, 4, 4)
    for i in range(3):
        name, cond = f"blocks.{i}", torch.cat([y, chunks[i + 1]], 1)

        def norm(key, x, cond=cond, name=name):
            scale, shift = (
                (cond @ spectral_weight(state, f"{name}.{key}.{part}").T)[:, :, None, None]
                for part in ("scale", "shift")
            )
            return batch_norm(x, EPS) * (1 + scale) + shift

        if i == 2:  # attn_g_loc: after the second block
            x = attention_formula(state, "attention", x)
        h = conv3x3(state, f"{name}.conv1", double_size(relu(norm("norm1", x))))
        h = conv3x3(state, f"{name}.conv2", relu(norm("norm2", h)))
        x = h + conv3x3(state, f"{name}.shortcut", double_size(x))
    return torch.tanh(conv3x3(state, "head", relu(affine_batch_norm(state, "norm", x, EPS))))


def discriminator_formula(state, image):
    def convs(name, x):
        return conv3x3(state, f"{name}.conv2", relu(conv3x3(state, f"{name}.conv1", x)))

    h = halve_size(convs("blocks.0", image))
    x = h + conv3x3(state, "blocks.0.shortcut", halve_size(image))
    x = attention_formula(state, "blocks.1", x)  # attn_d_loc: after the first block
    h = halve_size(convs("blocks.2", relu(x)))
    x = h + halve_size(conv3x3(state, "blocks.2.shortcut", x))
    for name in ("blocks.3", "blocks.4"):
        x = x + convs(name, relu(x))
    h = relu(x).sum((2, 3))
    heads = ("adv_head", "embed_head")
    return [h @ spectral_weight(state, name).T + state[f"{name}.bias"] for name in heads]


@proves("reacgan", "forward")
def test_networks_equal_formulas():
    small = {"g_channels": 8, "d_channels": 8, "latent_chunk_dim": 3, "class_embed_dim": 5}
    model = build(embed_dim=6, **small).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("gain"):
                parameter.fill_(0.7)
    z, label = torch.randn(3, 12).double(), torch.tensor([0, 4, 9])
    generator = model.generator
    for module in generator.modules():  # batch statistics, without a step of the power iteration
        if isinstance(module, torch.nn.utils.parametrize.ParametrizationList):
            module.eval()
    assert_equals_formula(generator, generator_formula, z, label)
    image = torch.randn(3, 3, 32, 32).double()
    d = model.discriminator.eval()
    unused = [n for n, _ in d.named_parameters() if n[:5] in {"embed", "class"}]
    assert_equals_formula(
        d, lambda *args: discriminator_formula(*args)[0][:, 0], image, without_gradient=unused
    )
    embedding = discriminator_formula({**d.state_dict()}, image)[1]
    torch.testing.assert_close(
        d.embedding(image),  # fp32
        (embedding / embedding.norm(dim=1, keepdim=True)).float(),
    )


@proves("reacgan", "init")
def test_initial_weights_are_orthogonal(full_model):
    for name, parameter in full_model.named_parameters():
        if parameter.dim() < 2:
            is_scale = name == "generator.norm.weight"
            assert (parameter == 1).all() if is_scale else not parameter.any()
            continue
        matrix = parameter.detach().flatten(1)
        matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-4, rtol=0)


@proves("reacgan", "recipe")
def test_recipe():
    tree = build_config("reacgan", preset="paper")
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert optim.lr == pytest.approx(0.00028284271) and optim.betas == (0.5, 0.999)
        assert optim.eps == 1e-6
    assert tree.model.ema_halflife_images == pytest.approx(
        128 * math.log(0.5) / math.log(0.9999), 1e-5
    )
    small = tree.model.model_copy(update={"g_channels": 8, "d_channels": 8})
    specs = ReACGAN(small, DataInfo(image_size=32, class_names=TEN)).configure_optimizers()
    halflife = specs["g"].ema_halflife  # g_ema_start: 1,000 steps
    assert halflife(999 * 128) == 0 and halflife(1000 * 128) == tree.model.ema_halflife_images
    term = tree.model.terms["d2d-ce"]
    assert (term.weight, term.margin, term.temperature) == (0.5, 0.98, 0.5)
    assert (tree.model.d_updates, tree.train.batch_size, tree.train.steps) == (5, 128, 100_000)
