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


def test_parameter_counts_without_attention():
    """g_conv_dim and d_conv_dim 96, 128 for the class, 80 / 4 of z for each block."""
    model = build()
    w, a = 4 * 96, 128 + 20
    block = 2 * 9 * w * w + w * w + 3 * w + 2 * 2 * a * w  # convs, 1x1, biases, norms
    stem = 20 * 16 * w + 16 * w
    assert count(model.generator) == 10 * 128 + stem + 3 * block + 2 * w + w * 3 * 9 + 3
    v = 2 * 96
    block = 2 * 9 * v * v + 2 * v
    first_block = 3 * v * 9 + 9 * v * v + 3 * v + 3 * v
    heads = v + 1 + v * 512 + 512 + 10 * 512
    down_block = block + v * v + v
    assert count(model.discriminator) == first_block + down_block + 2 * block + heads


def generator_formula(state, z, label):
    y, chunks = state["class_embed.weight"][label], z.chunk(4, 1)
    x = (chunks[0] @ state["stem.weight"].T + state["stem.bias"]).view(len(z), -1, 4, 4)
    for i in range(3):
        name, cond = f"blocks.{i}", torch.cat([y, chunks[i + 1]], 1)

        def norm(key, x, cond=cond, name=name):
            scale, shift = (
                (cond @ state[f"{name}.{key}.{part}.weight"].T)[:, :, None, None]
                for part in ("scale", "shift")
            )
            return batch_norm(x, EPS) * (1 + scale) + shift

        h = conv3x3(state, f"{name}.conv1", double_size(relu(norm("norm1", x))))
        h = conv3x3(state, f"{name}.conv2", relu(norm("norm2", h)))
        x = h + conv3x3(state, f"{name}.shortcut", double_size(x))
    return torch.tanh(conv3x3(state, "head", relu(affine_batch_norm(state, "norm", x, EPS))))


def discriminator_formula(state, image):
    def convs(name, x):
        return conv3x3(state, f"{name}.conv2", relu(conv3x3(state, f"{name}.conv1", x)))

    h = halve_size(convs("blocks.0", image))
    x = h + conv3x3(state, "blocks.0.shortcut", halve_size(image))
    h = halve_size(convs("blocks.1", relu(x)))
    x = h + halve_size(conv3x3(state, "blocks.1.shortcut", x))
    for name in ("blocks.2", "blocks.3"):
        x = x + convs(name, relu(x))
    return relu(x).sum((2, 3)) @ spectral_weight(state, "adv_head")[0] + state["adv_head.bias"]


def test_networks_equal_formulas():
    """The blocks are StudioGAN's, without its attention and without spectral norm in G."""
    small = {"g_channels": 4, "d_channels": 4, "latent_chunk_dim": 3, "class_embed_dim": 5}
    model = build(**small).double()
    z, label = torch.randn(3, 12).double(), torch.tensor([0, 4, 9])
    assert_equals_formula(model.generator, generator_formula, z, label)
    image = torch.randn(3, 3, 32, 32).double()
    unused = [n for n, _ in model.discriminator.named_parameters() if n[:5] in {"embed", "class"}]
    d = model.discriminator.eval()
    assert_equals_formula(d, discriminator_formula, image, without_gradient=unused)


@proves("reacgan", "init")
def test_initial_weights_are_orthogonal():
    model = build()
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            is_scale = name == "generator.norm.weight"
            assert (parameter == 1).all() if is_scale else not parameter.any()
            continue
        matrix = parameter.detach().flatten(1)
        matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-4, rtol=0)


def test_recipe():
    tree = build_config("reacgan", preset="paper")
    for optim in (tree.model.optim_d, tree.model.optim_g):
        assert optim.lr == pytest.approx(0.00028284271) and optim.betas == (0.5, 0.999)
        assert optim.eps == 1e-6
    assert tree.model.ema_halflife_images == pytest.approx(
        128 * math.log(0.5) / math.log(0.9999), 1e-5
    )
    term = tree.model.terms["d2d-ce"]
    assert (term.weight, term.margin, term.temperature) == (0.5, 0.98, 0.5)
    assert (tree.model.d_updates, tree.train.batch_size, tree.train.steps) == (5, 128, 100_000)
