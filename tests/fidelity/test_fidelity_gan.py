"""gan and mlp-cgan against the formulas of their papers."""

import torch
from fidelity_helpers import assert_equals_formula, count, proves
from ganzoo_cgan.config import MLPCGANConfig
from ganzoo_cgan.mlp import MLPCGAN
from ganzoo_gan.config import VanillaGANConfig
from ganzoo_gan.model import VanillaGAN
from torch.nn import functional as F

from ganzoo_core import DataInfo

TEN = tuple("0123456789")
MNIST = {"image_size": 28, "num_channels": 1}


def build(model_class, config, **info):
    torch.manual_seed(0)
    return model_class(config, DataInfo(**{**MNIST, **info}))


def layer_params(*sizes):
    return sum((a + 1) * b for a, b in sizes)


@proves("gan", "counts")
def test_parameter_counts_of_gan():
    """100-1200-1200-784 rectified units; 240 and 240 maxout units of five pieces."""
    model = build(VanillaGAN, VanillaGANConfig())
    assert count(model.generator) == layer_params((100, 1200), (1200, 1200), (1200, 784))
    assert count(model.discriminator) == layer_params((784, 1200), (240, 1200), (240, 1))


@proves("mlp-cgan", "counts")
def test_parameter_counts_of_mlp_cgan():
    """z to 200 and y to 1000 units, both to 1200; x to 240 x 5, y to 50 x 5, both to 240 x 4."""
    model = build(MLPCGAN, MLPCGANConfig(), class_names=TEN)
    g = layer_params((100, 200), (10, 1000), (1200, 1200), (1200, 784))
    d = layer_params((784, 240 * 5), (10, 50 * 5), (290, 240 * 4), (240, 1))
    assert (count(model.generator), count(model.discriminator)) == (g, d) == (2_413_984, 1_224_351)


def linear(state, name, x):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def maxout(state, name, x, pieces):
    values = linear(state, f"{name}.linear", x)
    return torch.stack([values[:, i::pieces] for i in range(pieces)]).max(0).values


def gan_generator_formula(state, z):
    h = F.relu(linear(state, "layers.2", F.relu(linear(state, "layers.0", z))))
    return (torch.tanh(linear(state, "layers.4", h) / 2)).view(-1, 1, 8, 8)  # 2 sigmoid(x) - 1


def gan_discriminator_formula(state, image):
    h = maxout(state, "body.4", maxout(state, "body.2", image.reshape(len(image), -1), 5), 5)
    return linear(state, "head", h)[:, 0]


def mlp_generator_formula(state, z, label):
    y = torch.eye(10, dtype=z.dtype)[label]
    h = torch.cat([F.relu(linear(state, "z_proj.0", z)), F.relu(linear(state, "y_proj.0", y))], 1)
    h = F.relu(linear(state, "body.0", h))
    return torch.tanh(linear(state, "head", h) / 2).view(-1, 1, 8, 8)


def mlp_discriminator_formula(state, image, label):
    y = torch.eye(10, dtype=image.dtype)[label]
    x = maxout(state, "x_proj.1", image.reshape(len(image), -1), 5)
    h = torch.cat([x, maxout(state, "y_proj", y, 5)], 1)
    return linear(state, "head", maxout(state, "body.0", h, 4))[:, 0]


def test_networks_equal_formulas():
    """In eval mode, without dropout; the outputs of G are scaled to [-1, 1]."""
    label, z = torch.arange(4), torch.randn(4, 7).double()
    image = torch.rand(4, 1, 8, 8).double()
    config = VanillaGANConfig(hidden_dim=16, maxout_units=6, latent_dim=7)
    model = build(VanillaGAN, config, image_size=8).double().eval()
    assert_equals_formula(model.generator, gan_generator_formula, z)
    assert_equals_formula(model.discriminator, gan_discriminator_formula, image)
    config = MLPCGANConfig(latent_dim=7)
    model = build(MLPCGAN, config, image_size=8, class_names=TEN).double().eval()
    assert_equals_formula(model.generator, mlp_generator_formula, z, label)
    assert_equals_formula(model.discriminator, mlp_discriminator_formula, image, label)
